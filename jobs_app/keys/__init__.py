"""Keyboard shortcuts and the command palette."""
