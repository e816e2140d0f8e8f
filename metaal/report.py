"""One self-contained HTML file: the answer in words first, then what it rests on."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal import charts
from metaal.measures import PHASES

if TYPE_CHECKING:
    import pandas

    from metaal.result import Result

_STYLE = """
:root { color-scheme: light dark; --ink:#1d2329; --soft:#5c6670; --paper:#fff; --card:#f6f7f9; --line:#dde1e6;
  --good:#2b8a3e; --bad:#c92a2a }
@media (prefers-color-scheme: dark) {
  :root { --ink:#e6e9ec; --soft:#9aa4ad; --paper:#15181b; --card:#1e2226; --line:#343a40;
  --good:#69db7c; --bad:#ff8787 } }
* { box-sizing: border-box }
body { margin:0 auto; max-width:1180px; padding:20px; font:15px/1.5 system-ui,sans-serif;
  color:var(--ink); background:var(--paper) }
h1 { font-size:1.6rem; margin:.2em 0 } h2 { font-size:1.15rem; margin:2em 0 .4em } p,li { max-width:76ch }
.soft { color:var(--soft) } .good { color:var(--good); font-weight:600 } .bad { color:var(--bad); font-weight:600 }
.answer { background:var(--card); border-left:4px solid #d6336c; padding:.6em 1em; border-radius:4px }
.grid { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr)); gap:12px }
.card { background:var(--card); border-radius:8px; padding:6px; min-width:0; overflow:hidden }
.wide { overflow-x:auto }
table { border-collapse:collapse; font-variant-numeric:tabular-nums; font-size:.9rem }
th,td { padding:.28em .7em; border-bottom:1px solid var(--line); text-align:right; white-space:nowrap }
th:first-child,td:first-child,td.words,th.words { text-align:left } td.words { white-space:normal; min-width:20em }
tr.first td { font-weight:600 } summary { cursor:pointer; font-weight:600; margin:.4em 0 }
@media print { body { max-width:none } details { break-inside:avoid } }
"""

# Figures are drawn while the page is still being laid out; without a second look some keep a width that is not theirs.
_RESIZE = """<script>
addEventListener('load', () => document.querySelectorAll('.plotly-graph-div').forEach(d => Plotly.Plots.resize(d)))
</script>"""


def write_report(result: Result, path: str | Path) -> Path:
    """Write the report of an evaluation to ``path``, and return it."""
    from plotly.offline import get_plotlyjs

    main = next(iter(result.policies))
    rivals = ", ".join(name for name in result.policies if name != main)
    parts = [
        f"<h1>{_e(main)}{f' against {_e(rivals)}' if rivals else ''}</h1>",
        f'<div class="answer">{_summary(result, main)}</div>',
        *(_findings(result, main) if len(result.good) else ()),
        "<h2>How this was measured</h2>",
        _method(result),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>metaal: '
        f"{_e(main)}</title><link rel='icon' href='data:,'><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>{''.join(parts)}{_RESIZE}</body></html>"
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _findings(result: Result, main: str) -> list[str]:
    """What there is to show once some cell was finished by every policy."""
    return [
        "<h2>In numbers</h2>",
        _main_table(result, main),
        "<h2>Learning curves</h2><p class='soft'>Test score against labels, mean over seeds; the band is the "
        "95 % interval "
        "of that mean.</p>",
        '<div class="grid">' + "".join(_figure(charts.curve(result, task)) for task in result.tasks) + "</div>",
        "<h2>Labels to a target</h2><p class='soft'>Targets are shares of what the same learner reaches on the whole "
        "labelled pool. A run that never gets there counts as worse than all that do; nothing is extrapolated.</p>",
        _figure(charts.labels_bars(result)),
        f"<h2>What {_e(main)} did, loop by loop</h2>",
        _figure(charts.strategy_timeline(result, main)),
        "<h2>Seconds by phase</h2>",
        _figure(charts.seconds_bars(result)),
        "<h2>Where it did worse, losses first</h2>",
        _losses(result, main),
        f"<h2>Why {_e(main)} acted as it did</h2>",
        _reasons(result, main),
    ]


def verdict(row: pandas.Series) -> tuple[str, str]:
    """Word and colour class for one paired difference with its interval."""
    if row["low"] > 0:
        return "better", "good"
    if row["high"] < 0:
        return "worse", "bad"
    return "no difference that these runs could show", "soft"


def _summary(result: Result, main: str) -> str:
    cells = result.good["stream"].nunique()
    if not cells:
        return "<p>No cell was finished by every policy; see the errors below.</p>" + _errors(result)
    table: Any = result.table()
    own = table.loc[main]
    lines = [
        f"<p>{cells} paired runs on {len(result.tasks)} tasks. <b>{_e(main)}</b> has a mean area under the "
        "learning curve of "
        f"<b>{100 * table.loc[main, 'aulc']:.2f} %</b> accuracy, rank {list(table.index).index(main) + 1} of "
        f"{len(table)}.</p><ul>"
    ]
    for rival in result.policies:
        if rival == main:
            continue
        row: Any = result.versus(rival).loc[main]
        word, tone = verdict(row)
        lines.append(
            f"<li>against <b>{_e(rival)}</b>: {row['difference']:+.2f} pp ({row['low']:+.2f} to {row['high']:+.2f}), "
            f'<span class="{tone}">{word}</span>; better in {row["better"]:.0f}, equal in {row["equal"]:.0f}, worse in '
            f"{row['worse']:.0f} of {cells} runs</li>"
        )
    needed, saved = own["labels.to.95"], own["compression.95"]
    if np.isfinite(needed):
        lines.append(
            f"<li>95 % of the full-data score with {needed:.0f} labels (median), {saved:.0%} of the pool left "
            "unlabelled</li>"
        )
    return "".join(lines) + "</ul>" + _errors(result)


def _errors(result: Result) -> str:
    if not len(result.errors):
        return ""
    rows = "".join(
        f"<li>{_e(row['policy'])} on {_e(row['task'])}, seed {row['seed']}: {_e(row['error'])}</li>"
        for _, row in result.errors.iterrows()
    )
    return (
        f'<p class="bad">{len(result.errors)} runs failed; their cells are left out of every number:</p><ul>{rows}</ul>'
    )


def _main_table(result: Result, main: str) -> str:
    columns = {
        "aulc": ("AULC accuracy, %", 100, 2),
        "aulc.balanced_accuracy": ("balanced, %", 100, 2),
        "aulc.log_loss": ("log-loss", 1, 3),
        "first30": ("first 30 labels, %", 100, 2),
        "final": ("final, %", 100, 2),
        "labels.to.90": ("labels to 90 %", 1, 0),
        "labels.to.95": ("labels to 95 %", 1, 0),
        "compression.95": ("saved at 95 %, %", 100, 1),
        "rounds": ("rounds", 1, 1),
        "utility": ("utility", 1, 0),
    }
    table = result.table()
    head = "".join(f"<th>{_e(title)}</th>" for title, _, _ in columns.values())
    body = []
    for name, row in table.iterrows():
        cells = []
        for column, (_, factor, digits) in columns.items():
            value = row[column]
            cells.append(f"<td>{factor * value:.{digits}f}</td>" if np.isfinite(value) else "<td>not reached</td>")
        mark = ' class="first"' if name == main else ""
        body.append(f"<tr{mark}><td>{_e(str(name))}</td>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><tr><th>policy</th>{head}</tr>{"".join(body)}</table></div>'


def _losses(result: Result, main: str, limit: int = 12) -> str:
    rivals = [name for name in result.policies if name != main]
    if not rivals:
        return "<p class='soft'>There is no rival to lose to.</p>"
    wide = result.good.pivot(index=["task", "seed"], columns="policy", values="aulc")
    best = wide[rivals].groupby(level="task").mean()
    own = wide[main].groupby(level="task").mean()
    lead: Any = best.idxmax(axis=1)
    loss = (100 * (own - best.max(axis=1))).sort_values()
    rows = "".join(
        f"<tr><td>{_e(str(task).replace('~', ' · '))}</td><td class='words'>{_e(str(lead[task]))}</td>"
        f"<td class='{'bad' if value < 0 else 'good'}'>{value:+.2f}</td></tr>"
        for task, value in loss.head(limit).items()
    )
    return (
        "<p class='soft'>Mean AULC of each task against the best rival on that very task, chosen in "
        "hindsight (which no one "
        f'could have known before).</p><div class="wide"><table><tr><th>task</th><th class="words">best rival</th>'
        f"<th>difference, pp</th></tr>{rows}</table></div>"
    )


def _reasons(result: Result, main: str) -> str:
    blocks: list[str] = []
    for task in result.tasks:
        stream = result.good.loc[result.good["task"] == task, "stream"].iloc[0]
        curve = result.traces[main, stream].curve
        rows = "".join(
            f"<tr><td>{int(row['loop'])}</td><td>{int(row['labels'])}</td><td "
            f"class='words'>{_e(str(row['action.name']))}</td>"
            f"<td class='words'>{_e(str(row['decision.reason']))}</td></tr>"
            for _, row in curve.dropna(subset=["action.name"]).iterrows()
        )
        blocks.append(
            f"<details{' open' if not blocks else ''}><summary>{_e(stream.replace('~', ' · '))}</summary><div "
            "class='wide'>"
            "<table><tr><th>loop</th><th>labels</th><th class='words'>action</th><th "
            f"class='words'>reason</th></tr>{rows}"
            "</table></div></details>"
        )
    return "".join(blocks)


def _method(result: Result) -> str:
    policies = "".join(f"<li><b>{_e(name)}</b>: {_e(spelling)}</li>" for name, spelling in result.policies.items())
    prices = ", ".join(f"{key} {value:g}" for key, value in vars(result.prices).items())
    return (
        f"<ul>{policies}</ul><p class='soft'>AULC is the area under the test curve over labels, as a mean score. All "
        "policies of a cell (task and seed) start from the same labels; differences are paired. Intervals "
        "are 95 % bootstrap "
        "intervals over the seeds of these tasks: they do not speak of other data sets. Test labels are read "
        "for this report "
        f"alone; no policy sees them. Phases: {', '.join(PHASES)}. Prices: {_e(prices)}. A percentage point "
        "counts for one "
        "batch of labels at a time.</p>"
    )


def _figure(figure: Any) -> str:
    body = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
        default_width="100%",
    )
    return f'<div class="card">{body}</div>'


def _e(text: str) -> str:
    return html.escape(text)
