"""The command line: the library's words, in the library's order."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def main() -> None:
    """Run the command line; exit code 0 = done, 1 = it could not be done, 2 = wrong call."""
    from metaal.cli.app import app
    from metaal.errors import MetaalError
    from metadata_store import MissingStoreError, StoreError
    from strategy_zoo import ZooError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            app()
    except MissingStoreError as error:
        print(f"error: {str(error).removesuffix(', or pass create=True')}", file=sys.stderr)  # that is for Python
        sys.exit(1)
    except (MetaalError, StoreError, ZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; what was logged is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(1)


def _show(message: Warning | str, *where: Any, **more: Any) -> None:
    """A warning as one line, without the place in the code that gave it."""
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
