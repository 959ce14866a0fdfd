"""``python -m jobs``: what is done once, by hand or by a deployment, beside running servers and workers."""

import argparse
import sys

from jobs import schema
from jobs.errors import StartRefused
from jobs.logs import configure
from jobs.settings import settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="Look after the database of the job system.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the tables of DATABASE_URL to this version; safe to run again")
    given = parser.parse_args()
    try:
        config = settings()
        configure("jobs", config.log_level, config.log_format)
        match given.command:
            case "migrate":
                schema.migrate(config.resolved_database_url)
                print(f"The database {schema.shown(config.resolved_database_url)} is at {schema.newest_revision()}.")
    except StartRefused as exc:
        print(exc.message, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
