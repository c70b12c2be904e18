"""Functions of Python with a docstring: signature and docstring ask, the body answers.

That is how code is asked for in HumanEval (Chen et al. 2021). A function that only documents, or
whose body is a placeholder, answers nothing; one inside another's body is part of it.
"""

from collections.abc import Sequence

import numpy as np

from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import CueFamily, Episode, pair
from transforms.lines import Bools, Int64s, Lines

GAME = "docstring"
_FUNCTION = LinePattern(
    r"^[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*[(\[]", opens=("asyn", "def ", "def\t")
)
_OPENS = r"^[ \t]*[rRuU]?(\"\"\"|'''|\"|')"
_OPENINGS = tuple(prefix + quote for prefix in ("", *"rRuU") for quote in "\"'")
_QUOTES = LinePattern("\"\"\"|'''", holds="\"'")
_CODE = (
    r"^(?:(?:async |def |class |import |from |if |else:|elif |for |while |with |try:|except"
    r"|finally:|return\b|raise |del |assert |global |print)|[@#)\]}]"
    r"|[\w.]+(?:\[[^\]\n]*\])?(?:, ?[\w.]+)*(?:: [^\n=]+)? *[-+*/|&]?="
    r"|[\w.]+\(|[rRuU]?\"\"\"|[rRuU]?''')"
)
_SIGNATURE_ENDS = r":\s*(?:#[^\n]*)?\s*$"
# After a docstring nothing but a comment may stand in its line.
_CLOSES = r"(\"\"\"|'''|\"|')[ \t]*(?:#[^\n]*)?\s*$"
_PLACEHOLDER = (
    r"^\s*(?:pass|\.\.\.|return(?: None| NotImplemented)?|raise NotImplementedError[^\n]*)"
    r"[ \t]*(?:#[^\n]*)?\s*$"
)
# A module's docstring is prose, and flush.
_MOSTLY = 0.5
# Each indentation is looked at by itself.
_MAX_INDENT = 40
_MAX_SIGNATURE_LINES = 30
_MAX_DOCSTRING_LINES = 400


def find(candidates: Candidates) -> Sequence[Episode]:
    """Functions whose docstring is closed and followed by code."""
    lines = candidates.lines
    function, opening = _headed(candidates)
    is_source = _sources(candidates, function)[lines.document_of(function)]
    candidates.refuse(function[~is_source], GAME, "shown in a text, not part of a program")
    function, opening = function[is_source], opening[is_source]
    if len(function) == 0:
        return []
    n_marks = _marks(candidates, function)
    closing = _closings(lines, opening, n_marks)
    body_end = _body_ends(lines, function, closing)
    acts = _acts(lines, opening, closing, body_end)
    # A string of several lines may be less indented than the code around it.
    marks = np.append(0, np.cumsum(n_marks))
    acts &= (marks[body_end] - marks[closing + 1]) % 2 == 0
    candidates.refuse(function[~acts], GAME, "no code below the docstring")
    # What is inside another's body is part of it.
    reached = np.maximum.accumulate(np.where(acts, body_end, 0))
    acts[1:] &= function[1:] >= reached[:-1]
    asked = lines.content_start[function[acts]].tolist()
    starts = lines.start[closing[acts] + 1].tolist()
    ends = lines.start[body_end[acts]].tolist()
    return [
        pair((first, body), (body, end), start=first, cue="def")
        for first, body, end in zip(asked, starts, ends, strict=True)
    ]


def _acts(lines: Lines, opening: Int64s, closing: Int64s, body_end: Int64s) -> Bools:
    """Bool [n], whether each docstring closes and more than a placeholder stands below it."""
    quotes = lines.texts(opening).str.extract(_OPENS, 1)
    closes = lines.texts(closing).str.extract(_CLOSES, 1)
    below = np.minimum(lines.next_filled(closing), lines.n_lines - 1)
    n_filled = np.searchsorted(lines.filled, body_end) - np.searchsorted(lines.filled, below)
    is_stub = lines.matching(below, _PLACEHOLDER) & (n_filled == 1)
    acts: Bools = (quotes == closes).fill_null(False).to_numpy() & (n_filled > 0) & ~is_stub
    return acts


def _headed(candidates: Candidates) -> tuple[Int64s, Int64s]:
    """int64 [n] each: the lines of functions, and those where their docstrings open."""
    lines = candidates.lines
    function, _ = candidates.matching(_FUNCTION)
    function = function[lines.indent[function] <= _MAX_INDENT]
    opening = lines.opening_with(_OPENINGS)
    # A signature is read only where a string stands near below it and before the next function.
    below = np.append(opening, lines.n_lines)[np.searchsorted(opening, function)]
    following = np.append(function[1:], lines.n_lines)[: len(function)]
    is_near = (below < following) & (below - function <= _MAX_SIGNATURE_LINES)
    function = function[is_near]
    last = _signature_ends(lines, function)
    below = np.minimum(last + 1, lines.n_lines - 1)
    is_headed = (last >= 0) & (lines.document_of(below) == lines.document_of(function))
    is_headed &= (lines.indent[below] > lines.indent[function]) & np.isin(below, opening)
    return function[is_headed], below[is_headed]


def _signature_ends(lines: Lines, function: Int64s) -> Int64s:
    """int64 [n], the line that ends each function's signature; -1 if none near does."""
    ends = lines.matching(function, _SIGNATURE_ENDS)
    end = np.where(ends, function, -1)
    # Most end in their line; of the others all lines that may end them are looked at together.
    rest = np.flatnonzero(~ends)
    below = function[rest, None] + np.arange(1, _MAX_SIGNATURE_LINES)
    inside = below < lines.n_lines
    ends = np.zeros(below.shape, np.bool_)
    ends[inside] = lines.matching(below[inside], _SIGNATURE_ENDS)
    nearest = ends.argmax(axis=1)
    has_end = ends.any(axis=1)
    end[rest[has_end]] = below[has_end, nearest[has_end]]
    return end


def _sources(candidates: Candidates, function: Int64s) -> Bools:
    """Bool [n_documents], whether each is a program: most of its flush lines are code.

    Documents without any of these functions are left out.
    """
    lines = candidates.lines
    is_flush = ~lines.is_blank & (lines.indent == 0) & lines.shares_document(function)
    flush = np.flatnonzero(is_flush)
    code, _ = candidates.among(flush, _CODE)
    n_documents = len(lines.first_line) - 1
    n_flush, n_code = (
        np.bincount(lines.document_of(each), minlength=n_documents) for each in (flush, code)
    )
    is_source: Bools = n_code >= np.maximum(1, _MOSTLY * n_flush)
    return is_source


def _closings(lines: Lines, opening: Int64s, n_marks: Int64s) -> Int64s:
    """int64 [n], the line that closes each docstring, or its own where none near does."""
    quotes = np.flatnonzero(n_marks)
    after = np.searchsorted(quotes, opening, side="right")
    following = np.append(quotes, lines.n_lines)[after]
    goes_on = (n_marks[opening] == 1) & (following - opening <= _MAX_DOCSTRING_LINES)
    goes_on &= following < lines.first_line[lines.document_of(opening) + 1]
    return np.where(goes_on, following, opening)


def _marks(candidates: Candidates, function: Int64s) -> Int64s:
    """int64 [n_lines], how many marks of long strings a line has, in documents of functions."""
    quotes = candidates.passing(_QUOTES)
    quotes = quotes[candidates.lines.shares_document(function)[quotes]]
    quotes, text = candidates.among(quotes, _QUOTES.pattern)
    n_marks = np.zeros(candidates.lines.n_lines, np.int64)
    n_marks[quotes] = text.str.count_matches(_QUOTES.pattern).to_numpy()
    return n_marks


def _body_ends(lines: Lines, function: Int64s, closing: Int64s) -> Int64s:
    """int64 [n], the line after each body's last that is deeper than its function."""
    end = lines.first_line[lines.document_of(function) + 1].copy()
    is_near = lines.shares_document(function)
    is_code = ~lines.is_blank & is_near
    is_code[lines.opening_with("#")] = False
    code = np.flatnonzero(is_code)
    filled = np.flatnonzero(~lines.is_blank & is_near)
    code_indent, filled_indent, indents = (lines.indent[each] for each in (code, filled, function))
    for indent in set(indents.tolist()):
        shallow = np.append(code[code_indent <= indent], lines.n_lines)
        deep = filled[filled_indent > indent]
        rows: Bools = indents == indent
        limit = np.minimum(end[rows], shallow[np.searchsorted(shallow, closing[rows], "right")])
        # Comments before the next function are that one's.
        end[rows] = deep[np.searchsorted(deep, limit) - 1] + 1
    return end


FAMILY = CueFamily(name=GAME, find=find)
