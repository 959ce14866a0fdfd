"""The worker program, and the jobs that come with it."""
