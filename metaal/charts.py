"""The figures of the report, as plotly figures without a background, so that they read in light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.measures import PHASES

if TYPE_CHECKING:
    from metaal.result import Result

PALETTE = ("#d6336c", "#1c7ed6", "#2b8a3e", "#e8590c", "#7048e8", "#868e96", "#0c8599", "#a61e4d", "#5c940d", "#f08c00")
INK, GRID = "#808890", "rgba(128,136,144,0.25)"


def colours(names: list[str]) -> dict[str, str]:
    """One colour a name; those past the palette start over."""
    return {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(names)}


def _figure(traces: list[Any], *, height: int = 320, **layout: Any) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 54, "r": 12, "t": 34, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        **layout,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    return figure


def curve(result: Result, task: str, score: str = "accuracy") -> Any:
    """Mean test score against labels, with 95 % bands over the seeds."""
    import plotly.graph_objects as go

    data = result.curves(task, score=score)
    colour = colours(list(result.policies))
    traces: list[Any] = []
    main = next(iter(result.policies))
    for name in [*[name for name in colour if name != main], main]:  # the one that is judged lies on top
        rows = data[data["policy"] == name]
        red, green, blue = (int(colour[name][k : k + 2], 16) for k in (1, 3, 5))
        traces.append(
            go.Scatter(
                x=np.concatenate([rows["labels"], rows["labels"][::-1]]).round(2),
                y=(100 * np.concatenate([rows["high"], rows["low"][::-1]])).round(3),
                fill="toself",
                fillcolor=f"rgba({red},{green},{blue},0.10)",
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        )
        traces.append(
            go.Scatter(
                x=rows["labels"].round(2),
                y=(100 * rows["mean"]).round(3),
                name=name,
                legendgroup=name,
                legendrank=list(colour).index(name),
                mode="lines",
                line={"color": colour[name], "width": 3.2 if name == main else 1.6},
            )
        )
    return _figure(
        traces,
        title={"text": task.replace("~", " · "), "x": 0.02, "font": {"size": 13}},
        xaxis_title="labels",
        yaxis_title=f"test {score.replace('_', ' ')}, %",
        legend={"orientation": "h", "y": -0.25},
        height=360,
    )


def labels_bars(result: Result) -> Any:
    """Median labels to 90 and 95 % of the full-data score."""
    import plotly.graph_objects as go

    table = result.table()
    traces = []
    for level, shade in (("90", "#1c7ed6"), ("95", "#d6336c")):
        values, reached = table[f"labels.to.{level}"], table[f"reached.{level}"]
        text = [
            f"{value:.0f}" if np.isfinite(value) else f"not reached in most runs ({share:.0%})"
            for value, share in zip(values, reached, strict=True)
        ]
        traces.append(
            go.Bar(
                y=list(table.index),
                x=[value if np.isfinite(value) else 0 for value in values],
                name=f"{level} % of the full-data score",
                orientation="h",
                text=text,
                textposition="auto",
                marker={"color": shade},
            )
        )
    return _figure(
        traces,
        barmode="group",
        xaxis_title="labels (median over runs, the initial ones included)",
        yaxis={"autorange": "reversed"},
        legend={"orientation": "h", "y": -0.25},
        height=120 + 52 * len(table),
    )


def strategy_timeline(result: Result, policy: str) -> Any:
    """Share of the runs in which each action was taken, by loop."""
    import pandas as pd
    import plotly.graph_objects as go

    parts = [
        trace.curve[["loop", "action.name"]].dropna() for (name, _), trace in result.traces.items() if name == policy
    ]
    taken = pd.concat(parts)
    share = pd.crosstab(taken["loop"], taken["action.name"], normalize="index")
    order = list(share.mean().sort_values(ascending=False).index)
    colour = colours([str(name) for name in order])
    traces = [
        go.Bar(x=share.index, y=(100 * share[name]).round(2), name=str(name), marker={"color": colour[str(name)]})
        for name in order
    ]
    return _figure(
        traces,
        showlegend=True,
        barmode="stack",
        xaxis_title="loop",
        yaxis_title="% of runs",
        legend={"orientation": "h", "y": -0.25},
    )


def seconds_bars(result: Result) -> Any:
    """Mean seconds of a run by phase."""
    import plotly.graph_objects as go

    table = result.table()
    traces = [
        go.Bar(
            y=list(table.index),
            x=table[f"seconds.{phase}"].round(4),
            name=phase,
            orientation="h",
            marker={"color": PALETTE[k]},
        )
        for k, phase in enumerate(PHASES)
    ]
    return _figure(
        traces,
        barmode="stack",
        xaxis_title="seconds a run (mean)",
        yaxis={"autorange": "reversed"},
        legend={"orientation": "h", "y": -0.25},
        height=120 + 40 * len(table),
    )
