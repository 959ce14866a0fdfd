"""What tests share: fixtures as plugins, jobs to begin with, twins of Redis. No test is in here."""
