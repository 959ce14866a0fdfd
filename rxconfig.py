"""Where Reflex's own commands, which build the pages, look for its settings."""

from jobs_app.reflex_settings.rxconfig import config as config
