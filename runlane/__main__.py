"""The command ``runlane``, also as ``python -m runlane``."""

from runlane.cli.app import main

if __name__ == "__main__":
    main()
