"""Runlane, the library: what a job is, and how it is stored, queued, run and announced. No pages and no handlers."""

__version__ = "0.2.0"
