"""One way to list, make, change, pause and delete what people set up: schedules and alert rules."""
