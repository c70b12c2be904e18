"""The forest plot: every contrast's mean, interval and seeds, around no difference."""

import altair as alt

from jobs.compare.plot import INK, Layout, Rows, axis, data, draw, ticks
from jobs.compare.summary import Comparison, Summary
from jobs.compare.wording import prompts, title

ACCENT = "var(--accent)"
BAND = "var(--band)"

_HEADING = 24
_GAP = 30
"""Between the primary contrast and the others."""


def forest(summary: Summary, layout: Layout) -> str:
    """Mean differences with intervals, paired seeds and the margin; the primary contrast on top.

    Args:
      summary: with at least one paired seed.
      layout: for a wide or a narrow page.
    """
    low, high = domain = _domain(summary)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=axis(ticks(low, high, layout.n_ticks), "difference, bits per byte", is_signed=True),
    )
    padding = {"left": layout.label_width or 8, "right": 8, "top": 6, "bottom": 42}
    width = layout.width - padding["left"] - padding["right"]
    tops, height = _tops(summary, layout)
    # Pixels from the top.
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, height], range=[0, height]), axis=None)
    middles = [top + layout.row_height - 24 for top in tops]
    layers = [
        *_ground(summary, tops, height, x, y, domain),
        *_marks(summary, middles, x, y, domain),
        *_labels(summary, tops, middles, y, layout, width),
    ]
    return draw(
        layers,
        size=(width, height),
        padding=padding,
        name=f"forest-{layout.name}",
        label=_label(summary),
    )


def _tops(summary: Summary, layout: Layout) -> tuple[list[int], int]:
    """Where the rows begin, and the height of all."""
    tops: list[int] = []
    y = _HEADING
    for place, each in enumerate(summary.comparisons):
        if place and each.is_primary != summary.comparisons[place - 1].is_primary:
            y += _GAP
        tops.append(y)
        y += layout.row_height
    return tops, y + 4


def _domain(summary: Summary) -> tuple[float, float]:
    """All seeds, the margin and 0, and intervals but those of far fewer seeds than others.

    These can be so wide that nothing else were seen; they run off.
    """
    values = [0.0, *(value for each in summary.comparisons for value in each.differences)]
    values += [-summary.margin, summary.margin] if summary.margin else []
    most = max(len(each.seeds) for each in summary.comparisons)
    ends = [
        end
        for each in summary.comparisons
        if each.statistics and 2 * len(each.seeds) > most
        for end in (each.statistics.low, each.statistics.high)
    ]
    span = max(values) - min(values) or 0.001
    low = max(min(values + ends), min(values) - span)
    high = min(max(values + ends), max(values) + span)
    room = 0.04 * (high - low) or span / 2
    return low - room, high + room


def _label(summary: Summary) -> str:
    means = [f"{title(each)}: {each.mean:+.4f}" for each in summary.comparisons if each.seeds]
    return f"Mean differences in bits per byte. {'; '.join(means) or 'None computed'}."


def _ground(
    summary: Summary,
    tops: list[int],
    height: int,
    x: alt.X,
    y: alt.Y,
    domain: tuple[float, float],
) -> list[alt.Chart]:
    """The margin's band, the zero line, a line between primary and secondary contrasts."""
    layers = []
    if summary.margin:
        ends = {"x": -summary.margin, "x2": summary.margin, "y": _HEADING - 4, "y2": height}
        layers.append(data([ends]).mark_rect(color=BAND).encode(x, y, x2="x2", y2="y2"))
    zero = data([{"x": 0, "y": _HEADING - 4, "y2": height}])
    layers.append(zero.mark_rule(color=INK, strokeWidth=1.2).encode(x, y, y2="y2"))
    n_primary = sum(each.is_primary for each in summary.comparisons)
    if 0 < n_primary < len(tops):
        line = {"x": domain[0], "x2": domain[1], "y": tops[n_primary] - _GAP / 2}
        mark = data([line]).mark_rule(color=INK, opacity=0.35, strokeDash=[3, 3])
        layers.append(mark.encode(x, y, x2="x2"))
    return layers


def _marks(
    summary: Summary, middles: list[int], x: alt.X, y: alt.Y, domain: tuple[float, float]
) -> list[alt.Chart]:
    """Dots of seeds, the interval with its ends, the mean."""
    seeds: Rows = []
    lines: Rows = []
    caps: Rows = []
    means: Rows = []
    for each, middle in zip(summary.comparisons, middles, strict=True):
        colour = ACCENT if each.is_primary else INK
        row = {"y": middle, "colour": colour}
        seeds += [row | {"x": value, "y": middle + 11} for value in each.differences]
        means += [row | {"x": each.mean}] if each.seeds else []
        if each.statistics:
            ends = (each.statistics.low, each.statistics.high)
            inside = [min(max(end, domain[0]), domain[1]) for end in ends]
            lines.append(row | {"x": inside[0], "x2": inside[1]})
            # An end without its cap goes on past the edge.
            cap = {"y": middle - 5, "y2": middle + 5, "colour": colour}
            caps += [cap | {"x": end} for end in ends if end in inside]
    paint = alt.Color("colour:N", scale=None, legend=None)
    dot = data(seeds).mark_circle(size=22, opacity=0.5)
    diamond = data(means).mark_point(shape="diamond", filled=True, size=130, opacity=1)
    return [
        dot.encode(x, y, paint),
        data(lines).mark_rule(strokeWidth=2.5).encode(x, y, paint, x2="x2"),
        data(caps).mark_rule(strokeWidth=2.5).encode(x, y, paint, y2="y2"),
        diamond.encode(x, y, paint),
    ]


def _labels(
    summary: Summary,
    tops: list[int],
    middles: list[int],
    y: alt.Y,
    layout: Layout,
    width: int,
) -> list[alt.Chart]:
    """What left and right mean, names of the contrasts, what the models are shown."""
    primary: Rows = []
    names: Rows = []
    notes: Rows = []
    for each, top, middle in zip(summary.comparisons, tops, middles, strict=True):
        at = middle - 3 if layout.label_width else top + 8
        (primary if each.is_primary else names).append({"text": title(each), "y": at})
        note = f"{_family(each)}, {prompts(each)}" if layout.label_width else prompts(each)
        notes.append({"text": note, "y": at + 15 if layout.label_width else at})
    # Pages have wider fonts than the one that Vega measures names with.
    left, limit = -layout.label_width, int(0.85 * layout.label_width) or 185
    if layout.label_width:
        shown = _text(notes, y, x=left, limit=limit, is_note=True)
    else:
        shown = _text(notes, y, x=width, limit=width - limit - 12, align="right", is_note=True)
    better = [{"text": "\u2190 left: the arm is better", "y": 8}]
    worse = [{"text": "right: worse \u2192", "y": 8}]
    return [
        _text(better, y, x=0, limit=200, is_note=True),
        _text(worse, y, x=width, limit=200, align="right", is_note=True),
        _text(primary, y, x=left, limit=limit, weight="bold"),
        _text(names, y, x=left, limit=limit),
        shown,
    ]


def _family(comparison: Comparison) -> str:
    return "primary" if comparison.is_primary else "secondary"


def _text(
    rows: Rows,
    y: alt.Y,
    *,
    x: float,
    limit: int,
    align: str = "left",
    weight: str = "normal",
    is_note: bool = False,
) -> alt.Chart:
    mark = data(rows).mark_text(
        align=align,
        baseline="middle",
        color=INK,
        fontSize=11 if is_note else 13,
        fontWeight=weight,
        limit=limit,
        opacity=0.75 if is_note else 1,
    )
    return mark.encode(x=alt.value(x), y=y, text="text:N")
