"""Kinds, their limits and who runs them."""
