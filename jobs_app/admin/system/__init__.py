"""Workers, Redis, the database, diagnostics."""
