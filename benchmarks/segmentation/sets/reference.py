"""Negatives: reference pages of the Python library and man pages, which hold hardly an episode."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import MissingPackageError, Packages, found_in
from benchmarks.segmentation.rst import read_headings
from benchmarks.segmentation.sets.python_faq import DOCS

_ASKS = re.compile(r"\?$|FAQ|\bquestions?\b", re.IGNORECASE)
_ASKS_IN_MAN = re.compile(r"^\s*EXAMPLES?\b|\bquestions?\b|FAQ|\?$", re.IGNORECASE)
_MAN_HEADING_COLUMNS = 3
_SMALL_PAGE_BYTES = 1500
_N_PYTHON, _N_MAN = 100, 150


def build(packages: Packages) -> Iterator[GoldSet]:
    """`neg-python` and `neg-man`."""
    (html,) = found_in(packages.debian(*DOCS), "usr/share/doc/python3.[0-9]*/html")
    pages = pick((html / "_sources" / "library").glob("*.txt"), _N_PYTHON)
    yield GoldSet(
        name="neg-python",
        source="neg-python",
        kind="negative",
        note="library pages, reST; neutral: doctests, sections that ask",
        documents=tuple(_python_page(page) for page in pages),
    )
    families: dict[str, Path] = {}
    for package in ("manpages", "git-man"):
        for page in found_in(packages.debian(package), "usr/share/man/man[1578]/*.gz"):
            # A page of questions and answers is no negative.
            if page.stat().st_size > _SMALL_PAGE_BYTES and "faq" not in page.name:
                family = re.split(r"[_.]", page.name)[0]
                families[family] = min(families.get(family, page), page)
    yield GoldSet(
        name="neg-man",
        source="neg-man",
        kind="negative",
        note="man pages as text; neutral: EXAMPLES, sections that ask",
        documents=tuple(_man_page(page) for page in pick(families.values(), _N_MAN)),
    )


def pick(paths: Iterable[Path], n: int) -> list[Path]:
    """At most n paths by the hash of their names, whatever their order; sorted by name."""
    drawn = sorted(paths, key=lambda path: hashlib.sha1(path.name.encode()).hexdigest())
    return sorted(drawn[:n], key=lambda path: path.name)


def _add_lines(name: str, lines: list[str], is_neutral: list[bool]) -> GoldDocument:
    document = GoldDocument(name)
    for line, neutral in zip(lines, is_neutral, strict=True):
        document.add(line, neutral=neutral)
    return document


def _python_page(path: Path) -> GoldDocument:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    neutral, in_doctest = [], False
    for line in lines:
        in_doctest = line.lstrip().startswith(">>>") or (in_doctest and bool(line.strip()))
        neutral.append(in_doctest)
    headings = read_headings(lines)
    for i, heading in enumerate(headings):
        if _ASKS.search(heading.title):
            peers = (h.line for h in headings[i + 1 :] if h.level <= heading.level)
            end = next(peers, len(lines))
            neutral[heading.line : end] = [True] * (end - heading.line)
    return _add_lines(path.name.removesuffix(".rst.txt"), lines, neutral)


def man_text(path: Path) -> bytes:
    """A man page as it is read on a terminal of 80 columns."""
    environment = {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    command = ["man", "-l", "--encoding=UTF-8", "--pager=cat", str(path)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        msg = "man is not installed (Debian: man-db)"
        raise MissingPackageError(msg) from None
    return done.stdout


def _man_page(path: Path) -> GoldDocument:
    lines = man_text(path).decode("utf-8", "replace").splitlines(keepends=True)
    neutral, level = [], -1
    for line in lines:
        indent = len(line) - len(line.lstrip())
        # A heading that asks; its section runs to the next heading of its level.
        if line.strip() and indent <= (level if level >= 0 else _MAN_HEADING_COLUMNS):
            level = indent if _ASKS_IN_MAN.search(line.rstrip()) else -1
        neutral.append(level >= 0)
    return _add_lines(path.name.removesuffix(".gz"), lines, neutral)
