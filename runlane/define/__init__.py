"""What users write: a kind of job and its parameters."""
