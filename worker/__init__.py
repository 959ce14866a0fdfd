"""Runs jobs: claims them from the queue, calls their handlers, and records what happens."""
