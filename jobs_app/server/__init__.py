"""What runs around pages and API: security, who acts, loops that run while it serves."""
