"""The command ``runlane``: starts the programs, does one-off tasks, and is a client of the REST API in a terminal.

``app`` has the commands, ``server_commands`` and ``client_commands`` their options. What a command does is imported
when it runs, so that one is not slowed down by what only another needs, and the base install has all it asks for.
"""
