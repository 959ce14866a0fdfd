"""What a job is: its status, its snapshot, what can be requested. No I/O."""
