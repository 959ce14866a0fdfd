"""Compacting and copying the database, and looking after Redis."""
