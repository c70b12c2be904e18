"""The outline of documents: headings that markup shows, with their ranks.

Two notations are read: a line that opens with up to six "#" (Markdown's ATX) or "=" (AsciiDoc, and
MediaWiki, which closes it with the same), and a line underlined
with a run of one punctuation mark, with or without the same run above it (Markdown's Setext, and
reStructuredText).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.lines import Bools, Int64s, Lines

_RULE = r"""(?:={3,}|-{3,}|~{3,}|\^{3,}|"{3,}|'{3,}|\*{3,}|\+{3,}|#{3,}|_{3,}|:{3,}|`{3,})"""
OUTLINE = rf"^(?:#{{1,6}}[ \t]+\S|={{1,6}}[ \t]+\S|{_RULE}\s*$|[ \t]*(?:```|~~~)|\.\. _[^\n]*:\s*$)"
"""Rust regular expression of the lines that make up an outline: headings, rules, fences of code
and reStructuredText's link targets."""

_ATX = r"^((?:#{1,6}|={1,6})[ \t]+)\S"
_FENCE = r"^[ \t]*(```|~~~)"
# A line of a program or a configuration: a setting, a statement, a command with its options.
_CODE = (
    r"^[ \t]*(?:[$@%&]?[\w.:$@%&*-]+(?:[\[({][^\n]*[\])}])?[ \t]*[-+*/|.:?]?="
    r"|[\w.:>-]+\(|[<\[{}$@%&]"
    r"|(?:set|unset|export|let|local|my|our|use|sub|def|class|import|from \S+ import|return|if|elif"
    r"|else|fi|done|esac|for|while|case|do|then|function|alias|bind|source|include|sudo|echo|cd) "
    r"|[a-z][\w.-]*: |[a-z][\w.-]*(?: [^\s]+)* -{1,2}\w)|[;{}\\]\s*$"
)
_MIN_CODES = 2
_VALUE_DEPTH = 4
_MAX_TITLE = 200
# A title is about as long as the run under it; more than that and the run is a rule of its own.
_SLACK = 3


class Heading(NamedTuple):
    """A heading of a document.

    Attributes:
      document: ordinal of the document in the table.
      first_line: number of its first line, an overline included.
      title_line: number of the line that holds its title.
      last_line: number of its last line, the underline included.
      notation: "#" or "=" as often as the line has it, or the run's mark, twice with an overline.
      rank: 1 is the highest; comparable inside a document.
      title_start: byte offset into the table's buffer.
      title_end: byte offset into the table's buffer.
      title: its text.
    """

    document: int
    first_line: int
    title_line: int
    last_line: int
    notation: str
    rank: int
    title_start: int
    title_end: int
    title: str


def read_outline(lines: Lines, number: Int64s, text: pl.Series) -> list[Heading]:
    """Finds the headings of all documents.

    Args:
      lines: all lines.
      number: int64 [n], the lines that match OUTLINE, ascending.
      text: String [n], these lines.

    Returns:
      Headings in order of their lines.
    """
    headings: list[Heading] = []
    ranks: dict[str, int] = {}
    current = -1
    for heading in _unranked(lines, number, text):
        if heading.document != current:
            ranks, current = {}, heading.document
        # In reStructuredText the first notation met is the highest.
        rank = heading.rank or ranks.setdefault(heading.notation, len(ranks) + 1)
        headings.append(heading._replace(rank=rank))
    return headings


def _unranked(lines: Lines, number: Int64s, text: pl.Series) -> Iterator[Heading]:
    """The headings of all documents; those whose rank is that of their notation have 0."""
    content = text.str.strip_chars_end()
    hashes = content.str.extract(_ATX, 1)
    follows = np.diff(number, prepend=-2) == 1
    is_usual = hashes.is_null().to_numpy() | lines.opens[number] | follows
    documents = lines.document_of(number)
    is_shown = _fenced(text, documents)
    is_marked = hashes.str.starts_with("#").fill_null(False).to_numpy() & ~is_shown
    is_single = is_marked & hashes.str.contains(r"^#[ \t]").fill_null(False).to_numpy()
    keep = ~is_shown & is_usual & ~_is_comment(lines, number, is_marked, is_single)
    kept = number[keep]
    places = zip(
        kept.tolist(), lines.document_of(kept).tolist(), lines.start[kept].tolist(), strict=True
    )
    texts = zip(content.filter(keep).to_list(), hashes.filter(keep).to_list(), strict=True)
    pending: Heading | None = None
    for (line, document, start), (shown, mark) in zip(places, texts, strict=True):
        if mark is not None:
            title = _without_hashes(shown[len(mark) :])
            depth, start = len(mark.rstrip()), start + len(mark)
            end = start + len(title.encode())
            # "#### 42" gives a final answer; no title of that depth is a mere number.
            is_value = depth == _VALUE_DEPTH and not any(map(str.isalpha, title))
            if len(title) <= _MAX_TITLE and not is_value:
                if pending is not None:
                    yield pending
                notation = mark.rstrip()
                pending = Heading(document, line, line, line, notation, depth, start, end, title)
        elif not shown.startswith(("..", " ", "\t")):
            heading = _underlined(lines, document, line, shown)
            if heading is None:
                continue
            # "= Why?" may be underlined too; it is one heading.
            if pending is not None and pending.title_line == heading.title_line:
                heading = pending._replace(last_line=heading.last_line)
            elif pending is not None:
                yield pending
            pending = heading
    if pending is not None:
        yield pending


def _is_comment(lines: Lines, number: Int64s, is_marked: Bools, is_single: Bools) -> Bools:
    """Bool [n], whether each line that is marked "#" is a comment of a program or a configuration.

    Such a document has a first line that names its interpreter, or few of its marked lines open a
    paragraph: comments stand in blocks, or right below what they follow. Or code stands right below
    most of its lines with one "#". Where only an example is code, blocks of comments show it.

    Args:
      lines: all lines.
      number: int64 [n], lines.
      is_marked: bool [n], which of them open with "# ".
      is_single: bool [n], which of those have no more than one "#".
    """
    document = lines.document_of(number)
    is_inside = number + 1 < lines.first_line[document + 1]
    below = np.where(is_inside, number + 1, number)
    is_above_text = is_single & is_inside & ~lines.is_blank[below] & ~lines.opens_with("#")[below]
    is_above_code = is_above_text.copy()
    is_above_code[is_above_text] = (
        lines.text.gather(below[is_above_text]).str.contains(_CODE).to_numpy()
    )
    n_marked, n_opening, n_texts, n_codes = (
        np.bincount(document[each], minlength=len(lines.first_line) - 1)
        for each in (is_marked, is_marked & lines.opens[number], is_above_text, is_above_code)
    )
    is_program = 2 * n_opening < n_marked
    is_program |= (n_codes >= _MIN_CODES) & (2 * n_codes >= n_texts)
    first = lines.first_line[np.unique(document)]
    is_program[lines.document_of(first)] |= lines.opens_with(["#!"])[first]
    comments: Bools = is_marked & (is_program[document] | _in_blocks(lines, number, is_single))
    return comments


def _in_blocks(lines: Lines, number: Int64s, is_single: Bools) -> Bools:
    """Bool [n], whether beside each line with one "#" stands another, or a bare "#"."""
    which = number[is_single]
    document = lines.document_of(which)
    beside = np.zeros(len(which), np.bool_)
    for step in (-1, 1):
        near = which + step
        is_inside = (near >= lines.first_line[document]) & (near < lines.first_line[document + 1])
        near = np.where(is_inside, near, which)
        beside |= is_inside & lines.text.gather(near).str.contains(r"^#(?:\s|$)").to_numpy()
    blocks = np.zeros(len(number), np.bool_)
    blocks[is_single] = beside
    return blocks


def _without_hashes(title: str) -> str:
    """The title without the marks that may close its line: "Why? ##"."""
    kept = title.rstrip("#=")
    return kept.rstrip(" \t") if kept.endswith((" ", "\t")) else title


def _fenced(text: pl.Series, documents: Int64s) -> Bools:
    """Bool [n], whether each line stands in fenced code; an open fence fences nothing."""
    fenced = np.zeros(len(text), np.bool_)
    marks = text.str.extract(_FENCE, 1)
    fences = marks.is_not_null().arg_true().to_numpy()
    opened, opening = -1, ""
    rows = zip(fences.tolist(), documents[fences].tolist(), marks.drop_nulls(), strict=True)
    for i, document, mark in rows:
        if opened < 0 or documents[opened] != document:
            opened, opening = i, mark
        elif mark == opening:
            fenced[opened : i + 1] = True
            opened = -1
    return fenced


def _underlined(lines: Lines, document: int, underline: int, run: str) -> Heading | None:
    """The heading, not yet ranked, that a run of marks closes, if the line above it is a title."""
    first = int(lines.first_line[document])
    title_line = underline - 1
    if title_line < first or lines.is_blank[title_line]:
        return None
    start, end = int(lines.start[title_line]), int(lines.start[underline])
    if end - start > 4 * _MAX_TITLE:
        return None
    raw = lines.buffer[start:end].tobytes().decode()
    title = raw.strip()
    if len(title) > min(len(run) + _SLACK, _MAX_TITLE) or not any(map(str.isalnum, title)):
        return None
    above = title_line - 1
    notation, first_line = run[0], title_line
    if above >= first and not lines.is_blank[above]:
        over = lines.buffer[lines.start[above] : lines.start[title_line]][: len(run) + 2].tobytes()
        if over.rstrip() != run.encode():
            return None
        notation, first_line = run[0] * 2, above
    title_start = start + len(raw[: len(raw) - len(raw.lstrip())].encode())
    title_end = title_start + len(title.encode())
    rank = 0
    return Heading(
        document, first_line, title_line, underline, notation, rank, title_start, title_end, title
    )


def link_targets(number: Int64s, text: pl.Series) -> Int64s:
    """int64 [n], the lines that hold nothing but a reStructuredText link target.

    They name what follows, so they do not belong to the answer before them.
    """
    is_target = text.str.contains(r"^\.\. _[^\n]*:\s*$").to_numpy()
    return np.asarray(number[is_target], np.int64)
