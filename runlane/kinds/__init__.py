"""Which kinds of jobs there are, and what a person has set for each."""
