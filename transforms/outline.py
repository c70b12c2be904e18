"""The outline of documents: headings that markup shows, with their ranks.

Three notations are read: a line that opens with up to six "#" (Markdown's ATX), "=" (AsciiDoc, and
MediaWiki, which closes it with the same), or two "*" (Org; one or three where the document's lines
so marked ask above text, and are no list); a line underlined
with a run of one punctuation mark, with or without the same run above it (Markdown's Setext, and
reStructuredText); and a command around the title (LaTeX, Texinfo, roff, HTML), or the mark of a
term that asks (AsciiDoc's "Why?::", MediaWiki's ";Why?").
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.comments import is_comment
from transforms.lines import Bools, Int64s, Lines

_RULE = r"""(?:={3,}|-{3,}|~{3,}|\^{3,}|"{3,}|'{3,}|\*{3,}|\+{3,}|#{3,}|_{3,}|:{3,}|`{3,})"""
_ATX = r"^((?:#{1,6}|={1,6}|\*{1,3})[ \t]+)\S"
_STARS = r"^(\*{1,3})[ \t]"
_STARS_ASKING = r"^\*{1,3}[ \t][^\n]*[?？][ \t]*\s*$"
# A sentence, or the first line of a bullet's that is wrapped.
_STARS_SAYING = r"^\*{1,3}[ \t](?:[^\n]*[.,;:!]|[^\n]{70,})\s*$"
_MIN_ASKING = 2
_MOSTLY = 2 / 3
_MIN_SHARE = 0.2
# Commands, by the rank of their titles; below all others stand terms of lists.
_TERM_RANK = 9
_COMMAND_RANKS = {
    **dict.fromkeys(("chapter", "unnumbered", "appendix", "SH"), 1),
    **dict.fromkeys(("section", "unnumberedsec", "appendixsec", "heading", "SS"), 2),
    **dict.fromkeys(("subsection", "unnumberedsubsec", "subheading"), 3),
    **dict.fromkeys(("subsubsection", "unnumberedsubsubsec", "subsubheading"), 4),
    **{f"h{depth}": depth for depth in range(1, 7)},
}
_NAMES = "|".join(name for name in _COMMAND_RANKS if name.islower() and name.isalpha())
_COMMANDS = (
    rf"\\(?:{_NAMES})\*?\{{[^{{}}\n]+\}}\s*$|@(?:{_NAMES})[ \t]+\S|\.(?:S[HS]|IP|BI?)[ \t]+\S"
    r"|\.TP\b|[ \t]*(?:<details>[ \t]*)?<(?:h[1-6]|dt|summary)\b[^>\n]*>[^\n]+</"
    r"|;[ \t]*[^ \t;][^\n]*[?？]\s*$"
)
_COMMAND = re.compile(
    rf"""(?:\\(?P<latex>{_NAMES})\*?\{{|@(?P<texinfo>{_NAMES})[ \t]++|\.(?P<roff>S[HS])[ \t]++"?
    |\.(?:IP|BI?)[ \t]++"?|[ \t]*(?:<details>[ \t]*)?<(?P<html>h[1-6]|dt|summary)\b[^>]*>|;[ \t]*+|)
    (?:<(?:b|strong|em|i|a)\b[^>]*>)*(?P<title>.+?)(?:</(?:b|strong|em|i|a)>){{0,4}}
    (?:(?<=[?？])::+|\}}|"(?:[ \t]+\d+)?|</(?:h[1-6]|dt|summary)>)?(?<![ \t])[ \t]*$""",
    re.VERBOSE,
)
# What AsciiDoc says of the line right below: its kind, an anchor, a role.
_ATTRIBUTE = (
    r"\[(?:(?:qanda|horizontal|discrete|float|appendix|glossary)(?:[,#.%][^\[\]\n]*)?"
    r"|\[[\p{L}_][\p{L}\d_:.-]*(?:,[^\[\]\n]*)?\]|[#.][\p{L}_][\p{L}\d_.#%-]*)\]\s*$"
)
_TARGET = r"(?:\.\. _[^\n]*:\s*$|@node[ \t])"
OUTLINE = (
    rf"^(?:#{{1,6}}[ \t]+\S|={{1,6}}[ \t]+\S|\*{{1,3}}[ \t]+\S|{_RULE}\s*$|[ \t]*(?:```|~~~)"
    rf"|{_TARGET}|{_ATTRIBUTE}|{_COMMANDS})"
)
"""Rust regular expression of the lines that make up an outline: headings, rules, fences of code,
the link targets of reStructuredText and Texinfo, and the attributes of AsciiDoc."""
TERM = r"^[ \t]{0,3}[^\s:][^\n]*[?？]::+\s*$"
"""Rust regular expression of terms of AsciiDoc's lists that ask, which are in the outline too."""

_FENCE = r"^[ \t]*(```|~~~)"
_VALUE_DEPTH = 4
_MAX_TITLE = 200
_MAX_TERM_LINES = 3
# It may be wrapped above a rule.
_NUMBERED_QUESTION = re.compile(
    r"(?:Subject:\s*)?[\[(]?[A-Z]?\d{1,3}(?:\.\d{1,3}){0,3}[.):\]]{0,2}\s+\S.*[?？]", re.DOTALL
)
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
      number: int64 [n], the lines that match OUTLINE or TERM, ascending.
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
        if not heading.rank:
            rank = ranks.setdefault(heading.notation, len(ranks) + 1)
            heading = heading._replace(rank=rank)
        headings.append(heading)
    return headings


def _unranked(lines: Lines, number: Int64s, text: pl.Series) -> Iterator[Heading]:
    """The headings of all documents; those whose rank is that of their notation have 0."""
    is_org = _in_org(lines, number, text)
    is_bullet = text.str.contains(r"^(?:\*|\*{3})[ \t]").to_numpy() & ~is_org
    number, text, is_org = number[~is_bullet], text.filter(~is_bullet), is_org[~is_bullet]
    content = text.str.strip_chars_end()
    hashes = content.str.extract(_ATX, 1)
    follows = np.diff(number, prepend=-2) == 1
    is_usual = hashes.is_null().to_numpy() | lines.opens[number] | follows | is_org
    documents = lines.document_of(number)
    is_shown = _fenced(text, documents)
    is_marked = hashes.str.contains("^[#*]").fill_null(False).to_numpy() & ~is_shown & ~is_org
    is_single = is_marked & hashes.str.contains(r"^#[ \t]").fill_null(False).to_numpy()
    keep = ~is_shown & is_usual & ~is_comment(lines, number, is_marked, is_single)
    # A manual's words in bold are terms below the mark of an item alone.
    is_bold, is_item = (content.str.starts_with(each).to_numpy() for each in (".B", ".TP"))
    keep &= ~is_bold | np.append(False, (is_item & keep)[:-1] & (np.diff(number) == 1))
    kept = number[keep]
    places = zip(
        kept.tolist(), lines.document_of(kept).tolist(), lines.start[kept].tolist(), strict=True
    )
    texts = zip(content.filter(keep).to_list(), hashes.filter(keep).to_list(), strict=True)
    pending: Heading | None = None
    item = -2
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
        elif shown.startswith(".TP"):
            item = line
        elif (command := _commanded(lines, document, line, start, shown, item)) is not None:
            if pending is not None:
                yield pending
            pending = command
        elif len(set(shown)) == 1:
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


def _in_org(lines: Lines, number: Int64s, text: pl.Series) -> Bools:
    """Bool [n], whether each line is a heading of Org, marked with up to three "*".

    In a list of that mark, what stands below an item is another, or is set deeper; few ask.
    """
    depths = text.str.extract(_STARS, 1).str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    is_org = depths > 0
    which = np.flatnonzero(is_org)
    if len(which) == 0:
        return is_org
    starred, depth, shown = number[which], depths[which], text.gather(which)
    document = lines.document_of(starred)
    at = lines.filled.searchsorted(starred, side="right")
    below = np.append(lines.filled, lines.n_lines)[at]
    is_inside = below < lines.first_line[document + 1]
    near = np.where(is_inside, below, starred)
    is_title = np.append(starred[1:] == near[:-1], False) & (np.diff(depth, append=0) > 0)
    is_text = is_inside & (lines.indent[near] == 0)
    is_text &= ~lines.matching(near, r"^(?:[*+-]+|\d{1,3}[.)])[ \t]")
    asks = shown.str.contains(_STARS_ASKING).to_numpy()
    says = shown.str.contains(_STARS_SAYING).to_numpy()
    n_titles, n_texts, n_asking, n_saying, n_all = (
        np.bincount(document[each], minlength=len(lines.first_line) - 1)
        for each in (is_title, is_text & ~is_title, asks & is_text, says, slice(None))
    )
    is_outline = n_asking >= np.maximum(_MIN_ASKING, _MIN_SHARE * (n_all - n_titles))
    is_outline &= (n_texts >= _MOSTLY * (n_all - n_titles)) & (n_saying == 0)
    is_org[which] = is_outline[document]
    return is_org


def _commanded(
    lines: Lines, document: int, line: int, line_start: int, shown: str, item: int
) -> Heading | None:
    """The heading that a command makes of a line, or a term that asks.

    Args:
      lines: of all documents.
      document: ordinal of the document.
      line: number of the line.
      line_start: its byte offset.
      shown: its text.
      item: the last line that opens an item of roff's lists; the next one is its term.
    """
    is_item = shown.startswith((".B", ".I"))
    is_command = shown.lstrip().startswith(("\\", "@", ".S", "<", ";")) or shown.endswith("::")
    is_term = item == line - 1 >= lines.first_line[document]
    if not (is_item or is_command) or (shown.startswith(".B") and not is_term):
        return None
    match = _COMMAND.match(shown)
    if match is None or len(match["title"]) > _MAX_TITLE:
        return None
    name = match["latex"] or match["texinfo"] or match["roff"] or match["html"] or "::"
    title = match["title"]
    start = line_start + len(shown[: match.start("title")].encode())
    end = start + len(title.encode())
    first = item if shown.startswith(".B") else line
    if shown.endswith("::") and (first := _term_start(lines, line)) != line:
        start = int(lines.content_start[first])
        title = str(lines.data[start:end], "utf-8")
    if not any(map(str.isalpha, title)):
        return None
    rank = _COMMAND_RANKS.get(name, _TERM_RANK)
    return Heading(document, first, line, line, name, rank, start, end, title)


def _term_start(lines: Lines, line: int) -> int:
    """The line that a term starts in: it may be wrapped, if it opens a paragraph."""
    first = line
    while not lines.opens[first] and line - first < _MAX_TERM_LINES:
        first -= 1
        above = bytes(lines.data[lines.start[first] : lines.start[first + 1]]).rstrip()
        # Attributes, "[qanda]", and the term before are none of it.
        is_other = above.startswith(b"[") or above.endswith(b"::")
        if is_other or lines.indent[first] != lines.indent[line]:
            return line
    return first if lines.opens[first] else line


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
        if over.rstrip() == run.encode():
            notation, first_line = run[0] * 2, above
        else:
            return _wrapped(lines, document, underline, run)
    title_start = start + len(raw[: len(raw) - len(raw.lstrip())].encode())
    title_end = title_start + len(title.encode())
    rank = 0
    return Heading(
        document, first_line, title_line, underline, notation, rank, title_start, title_end, title
    )


def _wrapped(lines: Lines, document: int, underline: int, run: str) -> Heading | None:
    """The heading that a rule closes below a numbered question of a few lines."""
    first = underline - 1
    rule = run.encode()
    while not lines.opens[first] and underline - first <= _MAX_TERM_LINES:
        if lines.buffer[lines.start[first - 1] : lines.start[first]].tobytes().strip() == rule:
            break
        first -= 1
    start, end = int(lines.start[first]), int(lines.start[underline])
    raw = lines.buffer[start:end].tobytes().decode()
    title = raw.strip()
    is_question = len(title) <= 2 * _MAX_TITLE and _NUMBERED_QUESTION.fullmatch(title) is not None
    if first == underline - 1 or not is_question:
        return None
    is_ruled = not lines.opens[first]
    notation = run[0] * 2 if is_ruled else run[0]
    title_start = start + len(raw[: len(raw) - len(raw.lstrip())].encode())
    title_end = title_start + len(title.encode())
    return Heading(
        document,
        first - is_ruled,
        underline - 1,
        underline,
        notation,
        0,
        title_start,
        title_end,
        title,
    )


def link_targets(lines: Lines, number: Int64s, text: pl.Series) -> Int64s:
    """int64 [n], the lines that hold nothing but a link target of reStructuredText or Texinfo.

    They name what follows, so they do not belong to the answer before them; nor do attributes of
    AsciiDoc right above a line of the outline.
    """
    is_target = text.str.contains(rf"^{_TARGET}").to_numpy()
    is_attribute = text.str.contains(rf"^{_ATTRIBUTE}").to_numpy()
    is_above = np.append(np.diff(number) == 1, False)[: len(number)]
    is_above &= number + 1 < lines.first_line[lines.document_of(number) + 1]
    return np.asarray(number[is_target | (is_attribute & is_above)], np.int64)
