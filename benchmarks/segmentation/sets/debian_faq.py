"""The Debian FAQ in nine languages, by its HTML: sections that ask, with their subsections."""

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.segmentation.browser import read_page
from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.sections import Section, add_section, read_sections

LANGUAGES = ("de", "fr", "pt", "zh-cn")
HELD_OUT = ("it", "ja", "nl", "ru")
_ASKS = re.compile(r"[?？]\W*$")
_FRAME = r"div\.nav(?:header|footer)"
_ABOUT_ITSELF = "faqinfo"


def build(packages: Packages) -> Iterator[GoldSet]:
    """`debian-faq`, `debian-faq-translated` and, held out, `debian-faq-other`."""
    for name, languages, held_out in (
        ("debian-faq", ("en",), False),
        ("debian-faq-translated", LANGUAGES, False),
        ("debian-faq-other", HELD_OUT, True),
    ):
        yield GoldSet(
            name=name,
            source="debian-faq",
            kind="pairs",
            note=f"the Debian FAQ's pages as text: {', '.join(languages)}",
            documents=tuple(
                read(path) for language in languages for path in pages(packages, language)
            ),
            held_out=held_out,
        )


def pages(packages: Packages, language: str) -> list[Path]:
    """The FAQ's chapters in a language."""
    package = "debian-faq" if language == "en" else f"debian-faq-{language}"
    folder = "" if language == "en" else f"{language}/"
    found = found_in(
        packages.debian(package), f"usr/share/doc/debian/FAQ/{folder}*.{language}.html"
    )
    return [p for p in found if not p.name.startswith(("index", _ABOUT_ITSELF))]


def read(path: Path) -> GoldDocument:
    """A chapter."""
    document = GoldDocument(path.name.removesuffix(".html"))
    add_asking(document, path.read_text(encoding="utf-8"), skip=_FRAME)
    return document


def add_asking(document: GoldDocument, html: str, *, main: str = "", skip: str = "") -> None:
    """Adds a page: sections that ask are pairs with all below them, others neutral text."""
    sections = [section for section, _ in read_sections(read_page(html, main=main, skip=skip))]
    at = 0
    while at < len(sections):
        section, end = sections[at], at + 1
        while end < len(sections) and sections[end].level > section.level:
            end += 1
        below = sections[at + 1 : end]
        # Where a section and one below it ask, the deeper one is the question; what leads to it
        # may be taken either way.
        if _ASKS.search(section.title) and not any(_ASKS.search(s.title) for s in below):
            body = [*section.body]
            for other in below:
                body += [other.heading, *other.body] if other.heading else other.body
            if body:
                add_section(document, Section(section.level, section.heading, tuple(body)))
                at = end
                continue
        document.add(section.text, neutral=section.level > 1)
        at += 1
