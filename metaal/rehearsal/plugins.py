"""Filling a registry when it is first asked: the package's own modules, then what other packages offer."""

from __future__ import annotations

import importlib
import pkgutil
import warnings


def load_all(package: str, group: str, loaded: set[str]) -> None:
    """Import what registers itself, once.

    Parameters
    ----------
    package : str
        Each of its modules is imported.
    group : str
        Entry points of other packages; one that fails is named in a warning and left out.
    loaded : set of str
        What was imported before; added to.
    """
    if "own" not in loaded:
        loaded.add("own")
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")
    if group not in loaded:
        loaded.add(group)
        from importlib import metadata

        for entry in metadata.entry_points(group=group):
            try:
                entry.load()  # its module registers what it offers
            except Exception as error:  # somebody else's package: name it, and go on without it
                warnings.warn(
                    f"the entry point {entry.name!r} ({entry.value}) of the group {group!r} can't be used: "
                    f"{type(error).__name__}: {error}; repair or uninstall the package that offers it",
                    stacklevel=5,
                )
