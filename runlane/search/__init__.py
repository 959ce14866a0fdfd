"""Finding jobs: the query language, the filter it becomes, the index of words."""
