"""The one error of this package that is shown to people."""


class CannotRun(Exception):
    """One sentence: what is missing, and what to do."""
