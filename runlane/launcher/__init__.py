"""Starts the whole product on one machine: server, database, pages, worker, app. Nothing imports it."""
