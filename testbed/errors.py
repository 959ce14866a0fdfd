"""The one error of this package that a person sees."""


class CannotRun(Exception):
    """One sentence: what is missing, and what to do."""
