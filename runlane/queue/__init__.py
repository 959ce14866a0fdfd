"""Redis: the waiting jobs, the claims, the workers, and the feed of changes."""
