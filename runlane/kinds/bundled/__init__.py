"""The kinds that come with the product, one file each; ``worker/tasks`` has their handlers."""
