"""Vega-Lite charts as static SVG to stand inside a page: no script, no fonts, fixed bytes.

Colours are the page's: marks and labels name currentColor and CSS variables, so a chart follows the
page into the dark. Text keeps its size and takes the page's font.
"""

import re
from xml.etree import ElementTree

import altair as alt
import vl_convert

_NAMESPACE = re.compile(r"\{[^}]*\}")
_DECIMALS = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_DROPPED = ("aria-", "role", "class", "pointer-events", "font-family", "style", "cursor")
_NUMBERS = ("d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height")


def render_svg(chart: alt.LayerChart, *, name: str, label: str) -> str:
    """A chart as an `<svg>` element that scales to its container.

    Args:
      chart: with a fixed size.
      name: of the chart in its page; ids begin with it.
      label: what the chart shows, for who can't see it.

    Returns:
      Markup, the same for the same chart.
    """
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    # Vega-Lite's own version is looked up by name; its data are in the chart, so nothing is loaded.
    text = vl_convert.vegalite_to_svg(
        chart.to_dict(validate=False), vl_version=version, allowed_base_urls=[]
    )
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.attrib = {
            key: _rounded(value) if key in _NUMBERS else value
            for key, value in element.attrib.items()
            if not key.startswith(_DROPPED)
        }
    _drop_unseen(root)
    _rename(root, name)
    shown = {"role": "img", "aria-label": label, "viewBox": root.attrib["viewBox"]}
    root.attrib = shown | {"width": root.attrib["width"], "height": root.attrib["height"]}
    return ElementTree.tostring(root, encoding="unicode")


def _rounded(value: str) -> str:
    """Numbers with two decimals at most; less than that is not seen."""
    return _DECIMALS.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)


def _drop_unseen(element: ElementTree.Element) -> None:
    """Removes what Vega hid, backgrounds without colour and empty groups."""
    for child in list(element):
        _drop_unseen(child)
        paint = {"fill", "stroke"} & child.attrib.keys()
        is_hidden = child.get("display") == "none" or child.get("opacity") == "0"
        is_bare = child.tag == "path" and not paint
        if is_hidden or is_bare or (child.tag in ("g", "defs") and not len(child)):
            element.remove(child)


def _rename(root: ElementTree.Element, name: str) -> None:
    """Numbers ids from 0: Vega counts on from chart to chart."""
    new = {
        element.attrib["id"]: f"{name}-{place}"
        for place, element in enumerate(each for each in root.iter() if "id" in each.attrib)
    }
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.attrib[key] = new[value]
            elif value.startswith("url(#"):
                element.attrib[key] = f"url(#{new[value[5:-1]]})"
