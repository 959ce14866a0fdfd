"""Rules, the alerts they raise, and their delivery."""
