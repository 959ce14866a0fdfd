"""What a job is: its status, its snapshot, what may be asked of it. No I/O."""
