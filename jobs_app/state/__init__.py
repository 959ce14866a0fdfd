"""What each browser tab holds, one module a page. Handlers are a few lines and ask ``JobService``."""
