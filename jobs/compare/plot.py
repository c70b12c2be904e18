"""What the report's charts have in common: sizes, axes, colours of the page, drawing."""

import dataclasses
import math
from typing import Any

import altair as alt

from jobs.compare.svg import render_svg

INK = "currentColor"

Rows = list[dict[str, Any]]
"""Data of a layer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Sizes of a rendering in pixels of CSS."""

    name: str
    width: int
    label_width: int
    """Left of the forest's plot; 0 puts labels above their rows."""
    row_height: int
    curve_width: int
    curve_height: int
    n_ticks: int


WIDE = Layout(
    name="wide",
    width=880,
    label_width=215,
    row_height=44,
    curve_width=430,
    curve_height=300,
    n_ticks=7,
)
NARROW = Layout(
    name="narrow",
    width=358,
    label_width=0,
    row_height=58,
    curve_width=358,
    curve_height=250,
    n_ticks=4,
)


def data(rows: Rows) -> alt.Chart:
    """A layer over some rows."""
    return alt.Chart(alt.InlineData(values=rows))


def draw(
    layers: list[alt.Chart],
    *,
    size: tuple[int, int],
    padding: dict[str, int],
    name: str,
    label: str,
) -> str:
    """Layers as SVG.

    Args:
      layers: from back to front.
      size: width and height of the plot, in pixels.
      padding: around it, for axes and labels; nothing is moved or cut to make them fit.
      name: of the chart in its page.
      label: what it shows, for who can't see it.
    """
    chart = (
        alt.layer(*layers)
        .properties(width=size[0], height=size[1], padding=padding, autosize="none")
        .configure(background="transparent", font="sans-serif")
        .configure_view(stroke=None)
    )
    return render_svg(chart, name=name, label=label)


def axis(places: list[float], title: str | None, *, is_signed: bool = False) -> alt.Axis:
    """An axis with labels at some places, all with the decimals that they need."""
    n_digits = _decimals(places)
    plain = f"format(datum.value, '{'+' if is_signed else ''},.{n_digits}f')"
    return alt.Axis(
        values=places,
        labelExpr=f"abs(datum.value) < 1e-12 ? '0' : {plain}",
        title=title,
        titleFontWeight="normal",
        titleFontSize=12,
        titlePadding=8,
        labelFontSize=11,
        labelColor=INK,
        titleColor=INK,
        domainColor=INK,
        tickColor=INK,
        gridColor=INK,
        gridOpacity=0.13,
        domainOpacity=0.6,
        tickOpacity=0.6,
        labelOverlap=False,
        labelFlush=False,
    )


def ticks(low: float, high: float, n: int) -> list[float]:
    """At most n round numbers between low and high, evenly apart."""
    magnitude = 10.0 ** math.floor(math.log10((high - low) / n))
    for factor in (1, 2, 5, 10, 20):
        step = factor * magnitude
        places = range(math.ceil(low / step), math.floor(high / step) + 1)
        if len(places) <= n:
            break
    return [place * step for place in places]


def _decimals(ticks: list[float]) -> int:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) if ticks and ticks[0] else 1.0
    return max(0, -math.floor(math.log10(step) + 1e-9))
