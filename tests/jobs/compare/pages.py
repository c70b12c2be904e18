"""Reports as tests read them: elements, attributes, and the text that a person sees."""

from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from jobs.compare.report import write_report
from jobs.compare.results import Results

_VOID = {"meta", "link", "br", "img", "input", "hr", "source", "embed", "base"}
_BLOCKS = {"p", "li", "dt", "dd", "th", "td", "h1", "h2", "h3", "div", "figcaption", "text"}
_UNSEEN = {"style", "title", "script"}


class Element(NamedTuple):
    """A start tag."""

    tag: str
    attributes: dict[str, str]


class Page(HTMLParser):
    """A parsed page; `text` has its white space made single spaces."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.elements: list[Element] = []
        self.styles: list[str] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self._words).split())

    @property
    def is_balanced(self) -> bool:
        """All elements are closed in order."""
        return not self._open

    def tags(self) -> set[str]:
        return {element.tag for element in self.elements}

    def values(self, attribute: str) -> list[str]:
        return [
            each.attributes[attribute] for each in self.elements if attribute in each.attributes
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))
        if tag in _BLOCKS:
            self._words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in _BLOCKS:
            self._words.append(" ")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles.append(data)
        elif not _UNSEEN & set(self._open):
            self._words.append(data)


def page_of(results: Results, folder: Path) -> Page:
    """The report of some results, parsed."""
    out = folder / "report.html"
    write_report(results, out)
    return Page(out.read_text(encoding="utf-8"))
