"""The command line: the library's words, in the library's order."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit code 0 = done, 1 = it could not be done, 2 = wrong call."""
    from metaal.cli.app import app
    from metaal.errors import MetaalError
    from metadata_store import StoreError
    from strategy_zoo import ZooError

    try:
        app()
    except (MetaalError, StoreError, ZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; what was logged is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(1)
