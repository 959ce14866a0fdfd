"""The timeline of a job: its steps, its log, the replay."""
