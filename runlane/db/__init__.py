"""The database itself: tables, connections, migrations, moving a whole history."""
