"""The queue: what waits, limits, operations on many jobs."""
