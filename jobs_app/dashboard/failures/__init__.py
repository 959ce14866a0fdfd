"""Failed jobs by cause."""
