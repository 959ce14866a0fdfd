"""The first page: slots, the list of jobs, what can be done to many."""
