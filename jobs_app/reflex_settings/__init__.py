"""A folder with nothing in it but Reflex's settings: Reflex reads them from the current one, with that on its path."""
