"""Pieces of pages. They take vars and handlers as arguments and hold no state."""
