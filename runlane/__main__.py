"""``python -m runlane``: the command ``runlane`` where it is not installed."""

from runlane.cli import main

if __name__ == "__main__":
    main()
