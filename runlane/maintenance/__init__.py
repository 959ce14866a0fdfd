"""Maintenance: checking, compacting and copying the database, and the health of Redis."""
