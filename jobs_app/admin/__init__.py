"""The admin tab: one folder a page of it."""
