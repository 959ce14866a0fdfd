"""The command ``runlane``, also as ``python -m runlane``."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; Ctrl-C while it is still being imported ends it without a traceback."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:  # else it was started with Ctrl-C ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from runlane.cli.app import main as run

    signal.signal(signal.SIGINT, on_interrupt)
    run()


if __name__ == "__main__":
    main()
