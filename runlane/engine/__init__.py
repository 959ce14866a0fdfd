"""Runs jobs in a worker process: claims them, calls their handlers, writes what happens."""
