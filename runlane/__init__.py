"""What a job is, and how it is kept, queued and announced. No UI and no handlers live here."""

__version__ = "0.2.0"
