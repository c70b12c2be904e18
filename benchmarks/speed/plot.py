"""Speed and peak memory against size, a line a tool, as SVG files that stand alone."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import altair as alt

from benchmarks.speed.contenders import DUOLOGUE
from benchmarks.speed.runs import Run
from benchmarks.speed.table import Summary, summaries
from jobs.compare.plot import Rows, axis, data, draw

SIZE = (460, 380)
PADDING = {"left": 60, "right": 190, "top": 20, "bottom": 50}
LABEL_PIXELS = 14
"""Between two labels, so that both can be read."""

OURS, OTHERS = "#c2410c", "#57606a"
STEPS = (1, 2, 5)

Value = Callable[[Summary], float]


def write_plots(folder: Path, runs: Sequence[Run]) -> None:
    """Write speed.svg and memory.svg of the tools that ran."""
    own = summaries(run for run in runs if run.is_own)
    if own:
        speed = plot(own, lambda each: each.speed, "MB of text a second")
        memory = plot(own, lambda each: each.peak_mib, "peak memory, MiB")
        (folder / "speed.svg").write_text(speed, encoding="utf-8")
        (folder / "memory.svg").write_text(memory, encoding="utf-8")


def plot(own: Sequence[Summary], value: Value, title: str) -> str:
    """A chart with both axes logarithmic; names stand beside each line's last point."""
    rows: Rows = [
        {
            "tool": each.trial.contender,
            "mb": each.megabytes,
            "value": value(each),
            "colour": OURS if each.trial.contender.startswith(DUOLOGUE) else OTHERS,
        }
        for each in own
    ]
    sizes = sorted({each.trial.megabytes for each in own})
    values = [row["value"] for row in rows]
    low, high = min(values) / 1.6, max(values) * 1.3
    x_axis, y_axis = axis([*map(float, sizes)], "MB of text"), axis(_round_values(low, high), title)
    x = alt.X("mb:Q", scale=_log(sizes[0] * 0.9, sizes[-1] * 1.1), axis=x_axis)
    y = alt.Y("value:Q", scale=_log(low, high), axis=y_axis)
    colour, detail = alt.Color("colour:N", scale=None), alt.Detail("tool:N")
    labels = _labels(rows, (high / low) ** (LABEL_PIXELS / SIZE[1]))
    text = {"align": "left", "baseline": "middle", "fontSize": 12, "dx": 8}
    layers = [
        data(rows).mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, detail=detail),
        data(rows).mark_point(filled=True, size=45, opacity=1).encode(x=x, y=y, color=colour),
        data(labels).mark_text(**text).encode(x=x, y=y, text="tool:N", color=colour),
    ]
    label = f"{title} against size, a line a tool"
    svg = draw(layers, size=SIZE, padding=PADDING, name="speed", label=label)
    # It was made to stand in a page; alone it needs a name space, a font and a ground.
    style = 'font-family="sans-serif" style="background:white;color:black"'
    return svg.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {style} ', 1) + "\n"


def _log(low: float, high: float) -> alt.Scale:
    return alt.Scale(type="log", domain=[low, high], nice=False)


def _labels(rows: Rows, gap: float) -> Rows:
    """The last point of each tool, moved up or down where names would stand on one another."""
    last = {row["tool"]: row for row in sorted(rows, key=lambda row: row["mb"])}
    labels = []
    for size in {row["mb"] for row in last.values()}:
        here = sorted((row for row in last.values() if row["mb"] == size), key=lambda r: r["value"])
        places = apart([row["value"] for row in here], gap)
        labels += [{**row, "value": at} for row, at in zip(here, places, strict=True)]
    return labels


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Places of labels on a logarithmic axis: near their values, each `gap` times the one before.

    Args:
      values: ascending.
      gap: above 1.
    """
    pushed_up, pushed_down = [*values], [*values]
    for at in range(1, len(values)):
        pushed_up[at] = max(values[at], pushed_up[at - 1] * gap)
    for at in reversed(range(len(values) - 1)):
        pushed_down[at] = min(values[at], pushed_down[at + 1] / gap)
    # Both keep the gap, so their means do, and a heap of labels is about its values' middle.
    return [math.sqrt(up * down) for up, down in zip(pushed_up, pushed_down, strict=True)]


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten."""
    every = (step * 10.0**power for power in range(-3, 7) for step in STEPS)
    return [value for value in every if low <= value <= high]
