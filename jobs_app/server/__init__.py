"""What runs around pages and API: security, who asks, loops that run while it serves."""
