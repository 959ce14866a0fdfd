"""Charts of the past."""
