"""Jobs that are made again and again, by cron or at an interval."""
