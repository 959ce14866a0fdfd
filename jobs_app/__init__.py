"""The web app: pages, REST and event streams, all on one port."""
