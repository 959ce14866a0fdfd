"""One action on many jobs at once."""
