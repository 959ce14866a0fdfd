"""A typed client of the REST API, for programs that submit jobs and wait for them. Its names are in ``runlane``."""
