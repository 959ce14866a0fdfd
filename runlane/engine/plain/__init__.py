"""Plain ``def`` jobs in processes of their own: ``pool`` for the worker, ``child`` is the program that it starts."""
