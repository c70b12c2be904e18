"""Learning curves by arm."""

import math
from collections.abc import Sequence

import altair as alt

from jobs.compare.plot import INK, Layout, Rows, axis, data, draw, ticks
from jobs.compare.tables import CurvePoint

ARM_COLOURS = tuple(f"var(--arm-{place})" for place in range(8))
"""The page's colours of arms, by their place in the design; past the last they come again."""

ARM_DASHES = ((), (7, 3), (2, 2.5), (9, 3, 2, 3))
"""Neighbours differ in both; no two of 32 arms share both."""

_SHOWN_POINTS = 150
_FEW_POINTS = 12
_MANY_LINES = 30
_START_SHARE = 0.15
"""Of training: how much of its start may leave the chart at the top."""

_BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def arm_colour(place: int) -> str:
    """The colour of the arm at a place of the design."""
    return ARM_COLOURS[place % len(ARM_COLOURS)]


def arm_dash(place: int) -> tuple[float, ...]:
    """The dashes of the arm at a place of the design; none for a solid line."""
    return ARM_DASHES[(place + place // len(ARM_COLOURS)) % len(ARM_DASHES)]


def curves(
    points: Sequence[CurvePoint],
    arms: Sequence[str],
    *,
    layout: Layout,
    name: str,
    is_difference: bool = False,
) -> str:
    """Learning curves: a strong line an arm, a faint one a seed.

    Args:
      points: at least one.
      arms: all arms in the design's order, which gives the colours.
      layout: for a wide or a narrow page.
      name: of the chart in the page.
      is_difference: the values are differences from an arm; the chart takes the whole width.
    """
    unit_bytes, unit = _byte_unit(max(point.content_bytes for point in points))
    x_high = max(point.content_bytes for point in points) / unit_bytes
    low, high = _domain(points, is_difference=is_difference)
    values = _thinned(points, arms, unit_bytes)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[0, x_high], nice=False),
        axis=axis(ticks(0, x_high, layout.n_ticks), f"content seen, {unit}"),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=axis(ticks(low, high, 6), None, is_signed=is_difference),
    )
    layers = [_zero_line(x_high, x, y)] if is_difference else []
    layers += [_lines(values, x, y, len(arms), is_mean=mean) for mean in (False, True)]
    few = [each for each in values if each["is_mean"] and each["n"] <= _FEW_POINTS]
    layers += [_points(few, x, y, len(arms))] if few else []
    padding = {"left": 56 if is_difference else 46, "right": 14, "top": 8, "bottom": 42}
    outer = layout.width if is_difference else layout.curve_width
    width = outer - padding["left"] - padding["right"]
    height = layout.curve_height - padding["top"] - padding["bottom"]
    what = "Differences in learning curves" if is_difference else "Learning curves"
    label = f"{what} of {', '.join(arms)}; shown: {low:.3f} to {high:.3f} bits per byte."
    return draw(
        layers,
        size=(width, height),
        padding=padding,
        name=f"{name}-{layout.name}",
        label=label,
    )


def _domain(points: Sequence[CurvePoint], *, is_difference: bool) -> tuple[float, float]:
    """Of values after the start; the start, where all arms fall alike, may leave the chart."""
    start = _START_SHARE * max(point.content_bytes for point in points)
    shown = [point.value for point in points if point.content_bytes >= start]
    shown += [0.0] if is_difference else []
    low, high = min(shown), max(shown)
    room = 0.04 * (high - low) or 0.01
    return low - room, high + room


def _thinned(points: Sequence[CurvePoint], arms: Sequence[str], unit_bytes: float) -> Rows:
    """Rows of the chart: of a long line, evenly chosen points with the last."""
    lines: dict[tuple[str, int | None], list[CurvePoint]] = {}
    for point in points:
        lines.setdefault((point.arm, point.seed), []).append(point)
    rows = []
    for (arm, seed), line in lines.items():
        step = math.ceil(len(line) / _SHOWN_POINTS)
        kept = line[::-step][::-1]
        for point in kept:
            rows.append(
                {
                    "arm": arms.index(arm),
                    "line": f"{arms.index(arm)} {seed}",
                    "is_mean": seed is None,
                    "n": len(kept),
                    "x": point.content_bytes / unit_bytes,
                    "y": point.value,
                }
            )
    return rows


def _lines(values: Rows, x: alt.X, y: alt.Y, n_arms: int, *, is_mean: bool) -> alt.Chart:
    own = [each for each in values if each["is_mean"] == is_mean]
    n_lines = len({each["line"] for each in own})
    width, opacity = (2.2, 1.0) if is_mean else (0.9, 0.3 if n_lines <= _MANY_LINES else 0.18)
    dashes = [list(arm_dash(place)) or [1, 0] for place in range(n_arms)]
    dash = alt.StrokeDash(
        "arm:O", scale=alt.Scale(domain=[*range(n_arms)], range=dashes), legend=None
    )
    mark = data(own).mark_line(clip=True, strokeWidth=width, opacity=opacity)
    channels = [x, y, _colour(n_arms), alt.Detail("line:N")]
    return mark.encode(*channels, dash) if is_mean else mark.encode(*channels)


def _zero_line(x_high: float, x: alt.X, y: alt.Y) -> alt.Chart:
    mark = data([{"x": 0, "x2": x_high, "y": 0}]).mark_rule(color=INK, strokeWidth=1.2)
    return mark.encode(x, y, x2="x2")


def _points(values: Rows, x: alt.X, y: alt.Y, n_arms: int) -> alt.Chart:
    return data(values).mark_circle(clip=True, size=28, opacity=1).encode(x, y, _colour(n_arms))


def _colour(n_arms: int) -> alt.Color:
    colours = [arm_colour(place) for place in range(n_arms)]
    return alt.Color("arm:O", scale=alt.Scale(domain=[*range(n_arms)], range=colours), legend=None)


def _byte_unit(size_bytes: float) -> tuple[float, str]:
    """The largest unit of which there is one: (its bytes, its name)."""
    return next(((n, name) for n, name in _BYTE_UNITS if size_bytes >= n), _BYTE_UNITS[-1])
