"""The command ``runlane``, also as ``python -m runlane``; says so when what it needs is not installed."""

import sys

from runlane.errors import StartRefused
from runlane.installation import check_server_parts

REFUSED = 2


def main() -> None:
    try:
        # the command stands first, but for options such as --help
        check_server_parts(next((word for word in sys.argv[1:] if not word.startswith("-")), "run"))
    except StartRefused as exc:
        print(exc.message, file=sys.stderr)  # the log is of the extra too
        sys.exit(REFUSED)
    from runlane import cli

    cli.main()


if __name__ == "__main__":
    main()
