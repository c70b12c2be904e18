"""Headings of reStructuredText sources."""

import itertools
import re
from typing import NamedTuple


class RstHeading(NamedTuple):
    """A title that is underlined, perhaps overlined too."""

    line: int
    level: int
    title: str
    overlined: bool


def read_headings(lines: list[str]) -> list[RstHeading]:
    """The headings, their levels in the order of first use of their lines' characters.

    Example:
      >>> read_headings(["===", "FAQ", "===", "", "Why?", "----"])[1]
      RstHeading(line=4, level=1, title='Why?', overlined=False)
    """
    styles: list[tuple[str, bool]] = []
    found = []
    for i, (line, rule) in enumerate(itertools.pairwise(lines)):
        title, rule = line.rstrip(), rule.rstrip()
        is_ruled = re.fullmatch(r"([-=~^\"'*+.#])\1{2,}", rule) and len(rule) >= len(title)
        if not is_ruled or not title or title[0].isspace() or re.fullmatch(r"(\W)\1{2,}", title):
            continue
        above = lines[i - 1].rstrip() if i else ""
        overlined = above == rule
        if above and not overlined:
            continue
        style = (rule[0], overlined)
        if style not in styles:
            styles.append(style)
        found.append(RstHeading(i, styles.index(style), title, overlined))
    return found
