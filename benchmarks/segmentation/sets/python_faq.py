"""The Python FAQ: as rendered HTML, as reST source, and its pairs again in three plain layouts."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from benchmarks.segmentation.browser import as_text, read_page
from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.rst import read_headings
from benchmarks.segmentation.sections import add_section, read_sections

DOCS = ("python3.11-doc", "python3.13-doc", "python3.12-doc")
_PILCROW = r"a\.headerlink.*"


def build(packages: Packages) -> Iterator[GoldSet]:
    """`python-faq-html`, `python-faq-rst` and `layout-*`."""
    (html,) = found_in(packages.debian(*DOCS), "usr/share/doc/python3.[0-9]*/html")
    pages = sorted(p for p in (html / "faq").glob("*.html") if p.stem != "index")
    rendered = [_from_html(page) for page in pages]
    yield GoldSet(
        name="python-faq-html",
        source="python",
        kind="pairs",
        note="the Python FAQ's pages rendered as text; a section without sections asks",
        documents=tuple(document for document, _ in rendered),
    )
    sources = sorted((html / "_sources" / "faq").glob("*.txt"))
    yield GoldSet(
        name="python-faq-rst",
        source="python",
        kind="pairs",
        note="the Python FAQ's reST sources as they are",
        documents=tuple(_from_rst(path) for path in sources if not path.name.startswith("index")),
    )
    for name, layout in (("label", _label), ("markdown", _markdown), ("numbered", _numbered)):
        yield GoldSet(
            name=f"layout-{name}",
            source="layout",
            kind="pairs",
            note="the Python FAQ's pairs in another layout",
            documents=tuple(
                laid_out(document.name, [layout(n, q, a) for n, (q, a) in enumerate(pairs, 1)])
                for document, pairs in rendered
            ),
        )


def _from_html(page: Path) -> tuple[GoldDocument, list[tuple[str, str]]]:
    """A page's document and its pairs."""
    blocks = read_page(page.read_text(encoding="utf-8"), main=r".*@main", skip=_PILCROW)
    document, pairs = GoldDocument(page.stem), []
    for section, is_leaf in read_sections(blocks):
        if is_leaf and section.level >= 2 and section.body:
            add_section(document, section)
            pairs.append((section.title, as_text(section.body).strip()))
        else:
            document.add(section.text)
    return document, pairs


def _from_rst(path: Path) -> GoldDocument:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    headings, document, at = read_headings(lines), GoldDocument(path.name.partition(".")[0]), 0
    for heading, after in zip(headings, [*headings[1:], None], strict=True):
        end = after.line - after.overlined if after else len(lines)
        is_leaf = after is None or after.level <= heading.level
        while end > heading.line + 2 and re.match(r"\s*$|\.\. _[\w-]+:\s*$", lines[end - 1]):
            end -= 1
        body = lines[heading.line + 2 : end]
        said = [line for line in body if line.strip() and not line.startswith(".. ")]
        if heading.level == 0 or not is_leaf or not said:
            continue
        document.add("".join(lines[at : heading.line]))
        episode = document.open_episode(heading.title, "".join(body))
        document.add(lines[heading.line], "question", episode)
        document.add(lines[heading.line + 1], "marker", episode, soft=True)
        document.add("".join(body), "answer", episode)
        at = end
    document.add("".join(lines[at:]))
    return document


Laid = tuple[str, str, str, str, bool]


def _label(_: int, question: str, answer: str) -> Laid:
    return "Q: ", question, "\nA: ", answer, False


def _markdown(_: int, question: str, answer: str) -> Laid:
    return "### ", question, "\n\n", answer, True


def _numbered(number: int, question: str, answer: str) -> Laid:
    return f"{number}. ", question, "\n\n", textwrap.indent(answer, "   "), True


def laid_out(name: str, pairs: list[Laid]) -> GoldDocument:
    """Pairs below one another: mark, question, what is between, answer, is the mark soft."""
    document = GoldDocument(name)
    document.add(f"Frequently asked questions: {name}\n\nThis page collects what users ask.\n\n")
    for mark, question, between, answer, is_soft in pairs:
        episode = document.open_episode(question, answer)
        document.add(mark, "marker", episode, soft=is_soft)
        document.add(question, "question", episode)
        document.add(between, "marker", episode, soft=is_soft)
        document.add(answer, "answer", episode)
        document.add("\n\n")
    return document
