"""Commands about privacy: what a store would reveal."""

from __future__ import annotations

from typing import Annotated

import typer

from metaal.cli.printing import print_json, print_table

app = typer.Typer(name="privacy", help="What a store would reveal to whoever gets it.", no_args_is_help=True)


@app.callback()
def privacy() -> None:
    """What a store would reveal to whoever gets it."""


@app.command("audit")
def audit(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Directory of a store.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of every column what it would reveal, and from which privacy level on it is kept; changes nothing."""
    from metaal.privacy import RULES
    from metadata_store import open_store
    from metadata_store.privacy import Privacy, PrivateStore, private
    from metadata_store.privacy import audit as look

    with private(open_store(store, create=False)) as opened:
        if isinstance(opened, PrivateStore):
            opened = opened.with_rules(RULES)
            found = look(opened)
        else:
            found = look(opened, Privacy("L1", rules=RULES))
    if json:
        print_json(found.as_data())
        return
    named = f"level {found.level}" if found.level else "no level, everything is kept"
    print(f"{store}: {named}; all that it holds needs level {found.shareable}\n")
    rows = []
    for column in sorted(found.columns, key=lambda column: column.level, reverse=True):  # what tells most comes first
        auc = None if column.membership is None else column.membership.auc
        known = (column.distinct, column.smallest, column.entropy, auc)
        rows.append([column.name, column.level, *known, column.verdict])
    print_table(
        ["column", "level", "distinct", "smallest", "id bits", "AUC", "what it reveals"], rows, fold="what it reveals"
    )
    print(f"\nmembership {found.membership}\n\n{found.warning}")
