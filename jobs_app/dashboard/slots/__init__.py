"""The slots: what runs in each, what starts next, and how long it may take."""
