"""The commands, gathered."""

from __future__ import annotations

import typer

from metaal.cli import catalogue, evaluating, following, learning, loop, private, rehearsing, stores

app = typer.Typer(
    name="metaal",
    help="Active learning with a learned query policy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(learning.demo)
app.command("zoo")(catalogue.zoo)
app.command("check")(catalogue.check)
app.command("statistics")(catalogue.statistics)
app.command("runs")(loop.runs)
app.command("show")(loop.show)
app.command("ask")(loop.ask)
app.command("tell")(loop.tell)
app.command("rehearse")(rehearsing.rehearse)
app.command("fit")(learning.fit)
app.command("card")(learning.card)
app.command("evaluate")(evaluating.evaluate)
app.command("estimate")(evaluating.estimate)
app.command("report")(evaluating.report)
app.command("verify")(stores.verify)
app.command("repair")(stores.repair)
app.command("compact")(following.compact)
app.command("tail")(following.tail)
app.command("export")(stores.export)
app.command("import")(stores.import_)
app.add_typer(private.app)
