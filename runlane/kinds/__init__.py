"""Which kinds of jobs there are, and what people have set for each."""
