"""Lines that ask, wrapped or not, with whatever stands before them: "12. ", "* ", "**", "[3] ".

A block is one line that ends in a question mark, or up to four of which the last does. Where peers
of one shape ask, a line of that shape without a mark may ask as well; which ones do is decided in
`standing`.
"""

import dataclasses
import enum
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.candidates import DIGITS, Candidates, LinePattern
from transforms.cues import labels
from transforms.lines import Bools, Int64s, Lines

ASKS = r"[?？؟][!！]?[)\]\"'”’»]?(?:[ \t]+\([^()\n]{1,60}\))?"
"""Rust and Python regular expression of the end of a question; an aside may follow it."""

_NUMBER = r"\d{1,3}(?:\.\d{1,3}){0,3}"
# "G1." counts the questions of a part; labels of questions and answers are other families'.
_LETTERED = r"[B-EG-PRT-Z][0-9]{1,3}[.)]"
_LETTERS = tuple(letter + digit for letter in "BCDEGHIJKLMNOPRTUVWXYZ" for digit in "0123456789")
_MARKED_NUMBERS = tuple(mark + number for mark in "[(#" for number in (*DIGITS, *_LETTERS))
_BULLET = r"(?:[*+•◦‣●■▪○→»;-]|\*{3}|>>>?|==?>|o)[ \t]+"
_EMPHASIS = r"(?:\*\*|__|\*|_)"
# "Subject: 2.3." heads the entries of old lists of questions.
_COUNT = (
    rf"(?:(?:Subject|FAQ)?:?[ \t]?[\[(#]?(?:{_NUMBER}[.):\]]{{0,2}}|{_LETTERED})[ \t\u00a0]+"
    r"|Subject:[ \t]+"
    # Chinese and Japanese numbers have no space behind them.
    rf"|[\[(（]?{_NUMBER}[．、）][ \t\u3000]*)"
)
_PREFIX = rf"(?:(?P<bullet>{_BULLET})?(?P<em>{_EMPHASIS})?(?P<count>{_COUNT})?(?P<em2>\*\*|__)?)"
_QUOTE = r"(?:«[ \u00a0]|[¿¡\"'“‘«(\[`])?"
_STARTS = rf"^\f?[ \t]{{0,12}}{_PREFIX}{_QUOTE}[\p{{L}}\d_]"
_STARTS_BIG = rf"^\f?[ \t]{{0,12}}{_PREFIX}{_QUOTE}[\p{{Lu}}\p{{Lt}}\p{{Lo}}\d_]"
_COUNTED = rf"^\f?[ \t]{{0,12}}(?:{_BULLET})?{_EMPHASIS}?{_COUNT}"
# Inside a paragraph only a clear number or bullet starts something.
_STARTS_ITEM = (
    rf"^[ \t]{{0,12}}(?:{_BULLET}|[\[(]?(?:{_NUMBER}[.):\]]{{1,2}}|{_LETTERED})[ \t\u00a0]+"
    r"|\d{1,3}(?:\.\d{1,3}){1,3}[ \t]+\p{Lu})"
)
_ENDS = rf"{ASKS}[*_]{{0,2}}\s*$"
_WORDS = (
    "How|Why|What|What's|Which|Who|Whom|Whose|When|Where|Can|Could|Do|Does|Did|Is|Are|Was|Were"
    "|Should|Will|Would|Has|Have|May|Am|Isn't|Aren't|Doesn't|Don't|Can't|HOWTO|How-to"
    "|Wie|Was|Warum|Wieso|Weshalb|Wer|Wo|Wann|Welche|Welcher|Welches|Kann|Ist|Gibt"
    "|Comment|Pourquoi|Que|Quel|Quelle|Quels|Quelles|Qui|Où|Quand|Combien|Est-ce|Puis-je|Peut-on"
    "|Cómo|Qué|Por qué|Cuál|Cuáles|Quién|Dónde|Cuándo|Cuánto|Como|Qual|Quais|Quem|Onde|Quando"
    "|Come|Perché|Cosa|Che|Quale|Chi|Dove|Hoe|Waarom|Wat|Hur|Varför|Vad"
    "|Как|Почему|Что|Зачем|Где|Когда|Кто|Какой|Какая|Какие|Можно|Сколько|Jak|Dlaczego|Co|Czy"
)
_CJK_WORDS = "如何|怎么|怎样|为什么|什么|なぜ|どう"
ASKING_WORD = rf"^\f?[ \t]{{0,12}}{_PREFIX}[¿\"'“‘«]?(?:(?:{_WORDS})\b|{_CJK_WORDS})"
"""Rust and Python regular expression of lines that open with a word that asks."""
SURE_WORD = (
    r"\b(?:How|Why|What|Wie|Warum|Comment|Pourquoi|Cómo|Por qué|Como|Come|Perché|Как|Почему)\b"
)
# In a title these open nothing but a question: "Can I ...", "Is there ...".
_INVERTED = (
    rf"^\f?[ \t]{{0,12}}{_PREFIX}(?:Can|Could|Should|Would|Does|Did|Is|Are|Were|Has|Which"
    r"|Will (?:I|you|we|they|it|there)|Do (?:I|you|we|they)|Kann|Gibt"
    r"|Est-ce|Puis-je|Peut-on|Можно)\b"
)
# "I have a laptop. Can I ...", "If it fails, what ...".
_ASKS_LATER = rf"[.,;:!?…] +(?:and |so |but |then )?(?i:{_WORDS})\b"
_UNMARKED = r"[^\s.,;:!?。，；：！？-]\s*$"
_NUMBERED = (
    rf"^[ \t]{{0,12}}(?:\*\*|__)?[\[(#]?(?:{_NUMBER}[.):\]]{{1,2}}|{_LETTERED})[ \t\u00a0]+\S"
)
_BOLD = r"^[ \t]{0,12}(?:\*\*[^*\n]+\*\*|__[^_\n]+__)\s*$"
_MARKED = LinePattern(_ENDS, holds="?？؟")
_NUMBERED_LINES = LinePattern(_NUMBERED, opens=(*("*_" + DIGITS), *_LETTERS, *_MARKED_NUMBERS))
_ASKING = LinePattern(
    ASKING_WORD,
    opens=(
        *("*_" + DIGITS),
        *_MARKED_NUMBERS,
        *(":" + behind for behind in (*" \t[(#", *DIGITS, *_LETTERS)),
        *(bullet + space for bullet in "+-;o" for space in " \t"),
        *(">>", "=>", "==>", "Subj", "FAQ", *_LETTERS),
        *(quote + word for quote in ("", '"', "'") for word in f"{_WORDS}|{_CJK_WORDS}".split("|")),
    ),
)
_STANDING = (_MARKED, _NUMBERED_LINES, LinePattern(_BOLD, opens="*_"), _ASKING)
"""Lines that may end or be a question."""

_QUOTED = r"""^\s*["“«]"""
_QUOTE_ENDS = r"""["”»]\s*$"""
_SENTENCE_ENDS = r"""[.!?:;。！？：；][)\]"'”’»]?\s*$"""
_CLAUSE_ENDS = rf"(?:{ASKS}|[;；])\s*$"
_SENTENCES = r"\p{Ll}[.!?] +[\p{Lu}\"“]"
_GOES_ON = r"^(?:And|But|So|Or|Then|Now|Und|Aber|Oder|Et|Mais|Ou|Y|Pero|O|E|Ma|Mas|И|Но|А)\b"
_TITLE = (
    r"^[ \t]{0,6}(?:\d{1,2}(?:\.\d{1,2})*\.[ \t]+)?"
    r"[\p{Lu}\p{Lt}\p{Lo}\d][^\n.,;!?<>]*[\p{L}\p{N})]\s*$"
)
# Lengths are looked at apart: counted repetition of a class makes a slow automaton.
_MAX_QUESTION_BYTES = 400
_MAX_UNMARKED_BYTES, _MAX_NUMBERED_BYTES = 120, 250
_MAX_TITLE_BYTES = 80
_MAX_LINES, _MAX_PASSAGE_LINES = 4, 6


class Layout(enum.IntEnum):
    """What follows a block."""

    SPACED = 0
    HANGING = 1
    FLAT = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Questions:
    """Blocks that ask or look like those that do; [n] each, ascending by line.

    Attributes:
      line: int64, number of the first line.
      last: int64, number of the last line.
      document: int64, ordinal of the document.
      indent: int64, columns of indentation.
      layout: int64, a Layout.
      shape: int64, alike for blocks with the same kind of bullet, markup and number; 0 for none.
      body: int64, the next line that is not blank.
      number: int64, the last part of its number; 0 for none.
      start: int64, byte offset of the question, past its number.
      end: int64, byte offset of its end, before markup that closes.
      is_marked: bool, whether it ends in a question mark.
      opens_asking: bool, whether its first word asks.
      is_passage: bool, whether it is a paragraph of several sentences of which the last asks.
      is_statement: bool, whether it is a numbered sentence that does not ask.
    """

    line: Int64s
    last: Int64s
    document: Int64s
    indent: Int64s
    layout: Int64s
    shape: Int64s
    body: Int64s
    number: Int64s
    start: Int64s
    end: Int64s
    is_marked: Bools
    opens_asking: Bools
    is_passage: Bools
    is_statement: Bools

    def where(self, keep: Bools) -> "Questions":
        """Those for which keep, bool [n], holds."""
        fields = dataclasses.fields(self)
        return Questions(*(getattr(self, field.name)[keep] for field in fields))

    def beside(self, others: "Questions") -> "Questions":
        """These and others, ascending by line."""
        order = np.argsort(np.append(self.line, others.line), kind="stable")
        names = [field.name for field in dataclasses.fields(self)]
        both = (np.append(getattr(self, name), getattr(others, name)) for name in names)
        return Questions(*(column[order] for column in both))

    @property
    def key(self) -> Int64s:
        """int64 [n], alike for peers: same document, indentation and shape."""
        key: Int64s = (self.document * 256 + np.minimum(self.indent, 255)) * 1024 + self.shape
        return key

    @property
    def is_wrapped(self) -> Bools:
        """Bool [n], whether each has several lines."""
        return np.not_equal(self.line, self.last)


def read_questions(candidates: Candidates) -> Questions:
    """The blocks that stand apart from what is above them, in whatever document."""
    lines = candidates.lines
    last, text = candidates.matching(*_STANDING)
    is_marked = candidates.matches(last, _MARKED)
    near = last.copy()
    near[is_marked] = _first_lines(candidates, last[is_marked])
    # A paragraph of several sentences may ask with its last.
    passage = np.full(len(last), -1)
    passage[near < 0] = _paragraph_starts(lines, last[near < 0])
    # Where a question stands in it, what follows that answers.
    asked = np.where(is_marked & (near >= 0), last, -1)
    asked = np.maximum.accumulate(asked) if len(last) else asked
    first = np.where(asked < passage, passage, near)
    first_text = lines.texts(np.maximum(first, 0))
    titles = [heading.title_line for heading in candidates.outline]
    plain = ~(_is_other(candidates, first, last, first_text, text) | np.isin(last, titles))
    # "2. stable: what is it?" asks under its number, other small letters go on with a sentence.
    is_counted = first_text.str.contains(_COUNTED).to_numpy() & is_marked
    plain &= is_counted | first_text.str.contains(_STARTS_BIG).to_numpy()
    keep = plain & (first >= 0)
    # "1. How do I" is no block of its own where the next line goes on with "do it?".
    # Nor is "1. How?" where "And why?" follows.
    keep &= is_marked | ~np.isin(first, first[keep & is_marked])
    keep[:-1] &= (first[:-1] != first[1:]) | ~(keep[1:] & is_marked[1:] & (near[1:] >= 0))
    last[~is_marked] = _unmarked_end(candidates, last[~is_marked])
    return _as_questions(candidates, first[keep], last[keep], is_marked[keep], (near < 0)[keep])


def _first_lines(candidates: Candidates, last: Int64s) -> Int64s:
    """int64 [n], where the block that ends in each line starts; -1 if nowhere near."""
    lines = candidates.lines
    first = np.where(_starts(candidates, last), last, -1)
    rest = np.flatnonzero(first < 0)
    floor = lines.first_line[lines.document_of(last)]
    for distance in range(1, _MAX_LINES):
        above = last[rest] - distance
        is_open = (above >= floor[rest]) & ~lines.is_blank[above]
        rest, above = rest[is_open], above[is_open]
        # What comes after a sentence's end is no part of a title, but an item may ask twice.
        is_open = ~lines.matching(above, _SENTENCE_ENDS)
        closed = above[~is_open]
        is_open[~is_open] = lines.matching(closed, _STARTS_ITEM) & lines.matching(
            closed, _CLAUSE_ENDS
        )
        rest, above = rest[is_open], above[is_open]
        starts = _starts(candidates, above)
        first[rest[starts]] = above[starts]
        rest = rest[~starts]
    return first


def _unmarked_end(candidates: Candidates, first: Int64s) -> Int64s:
    """int64 [n], the last line of a numbered question without a mark: its short paragraph's."""
    lines = candidates.lines
    asks = candidates.matches(first, _ASKING) & candidates.matches(first, _NUMBERED_LINES)
    end = np.minimum(lines.next_blank(first), lines.first_line[lines.document_of(first) + 1]) - 1
    is_short = lines.opens[first] & (end - first < _MAX_LINES) & asks
    return np.where(is_short, np.maximum(end, first), first)


def _paragraph_starts(lines: Lines, last: Int64s) -> Int64s:
    """int64 [n], where the short paragraph starts that closes with each line; -1 without one."""
    first = np.full(len(last), -1)
    below = np.minimum(last + 1, lines.n_lines - 1)
    is_open = lines.closes[last] | (lines.indent[below] > lines.indent[last])
    floor = lines.first_line[lines.document_of(last)]
    for distance in range(1, _MAX_PASSAGE_LINES):
        above = np.maximum(last - distance, 0)
        is_open &= (last - distance >= floor) & ~lines.is_blank[above]
        starts = is_open & lines.opens[above]
        first = np.where(starts, above, first)
        is_open &= ~starts
    return first


def _starts(candidates: Candidates, number: Int64s) -> Bools:
    starts = candidates.lines.opens[number].copy()
    starts[~starts] = candidates.lines.matching(number[~starts], _STARTS_ITEM)
    starts[~starts] = _follows_title(candidates, number[~starts])
    return starts


def _is_other(
    candidates: Candidates, first: Int64s, last: Int64s, first_text: pl.Series, last_text: pl.Series
) -> Bools:
    """Bool [n], whether each block is speech, has a label, is long, or starts like no question."""
    lines = candidates.lines
    is_other = ~first_text.str.contains(_STARTS)
    is_other |= first_text.str.contains(_QUOTED) & last_text.str.contains(_QUOTE_ENDS)
    is_long = lines.start[last + 1] - lines.start[first] > _MAX_QUESTION_BYTES
    has_label = candidates.matches(np.maximum(first, 0), labels.LABELS)
    return is_other.to_numpy() | is_long | has_label


class _Prefix(NamedTuple):
    """What stands before the first words of blocks; [n] each.

    Attributes:
      emphasis: String, the markup that is still open.
      counter: String, the number with its marks; empty without one.
      n_numbers: int64, how many parts the number has.
      shape: int64, as in Questions.
      size_bytes: int64, all of it.
    """

    emphasis: pl.Series
    counter: pl.Series
    n_numbers: Int64s
    shape: Int64s
    size_bytes: Int64s


def _read_prefix(first_text: pl.Series, last_text: pl.Series) -> _Prefix:
    parts = first_text.str.extract_groups(_STARTS).struct
    bullet, count = (parts.field(name).fill_null("") for name in ("bullet", "count"))
    em, em2 = (parts.field(name).fill_null("") for name in ("em", "em2"))
    # "__import__" is a name.
    is_name = em.str.starts_with("_") & ~last_text.str.contains(r"_\s*$")
    em = em.set(is_name, "")
    emphasis = em + em2
    n_numbers = count.str.count_matches(r"\d+").to_numpy().astype(np.int64)
    shape = _codes(bullet.str.strip_chars(" \t")) * 64 + _codes(emphasis) * 4
    shape += np.minimum(n_numbers, 3)
    prefix = sum((each.str.len_bytes() for each in (bullet, em, count)), em2.str.len_bytes())
    return _Prefix(emphasis, count, n_numbers, shape, prefix.to_numpy().astype(np.int64))


def _as_questions(
    candidates: Candidates, first: Int64s, last: Int64s, is_marked: Bools, is_passage: Bools
) -> Questions:
    lines = candidates.lines
    first_text, last_text = lines.texts(first), lines.texts(last)
    emphasis, count, n_numbers, shape, prefix_bytes = _read_prefix(first_text, last_text)
    indent = lines.indent[first]
    below = lines.indent[np.minimum(last + 1, lines.n_lines - 1)]
    layout = np.where(
        lines.closes[last], Layout.SPACED, np.where(below > indent, Layout.HANGING, Layout.FLAT)
    )
    stripped = last_text.str.strip_chars_end()
    ends = pl.DataFrame({"text": stripped, "mark": emphasis})
    is_closed = ends.select(pl.col("text").str.ends_with(pl.col("mark"))).to_series().to_numpy()
    end = lines.start[last] + stripped.str.len_bytes().to_numpy().astype(np.int64)
    end -= np.where(is_closed, emphasis.str.len_bytes().to_numpy().astype(np.int64), 0)
    asks = candidates.matches(first, _ASKING)
    is_shown = (n_numbers > 0) | (emphasis != "").to_numpy()
    limit = np.where(is_shown, _MAX_NUMBERED_BYTES, _MAX_UNMARKED_BYTES)
    is_short = lines.start[last + 1] - lines.start[first] <= limit
    # Steps have no letters, so that what has one may be a statement: "C2. It does not start."
    unmarked = last_text.str.contains(rf"{_UNMARKED}|[*_]{{2}}\s*$").to_numpy() & is_short
    unmarked |= count.str.contains(r"^[A-Z]\d").to_numpy() & is_short
    # Among numbers that ask a statement may fill a gap: "It does not start."
    is_statement = is_short & (n_numbers > 0) & ~unmarked & ~is_marked
    found = Questions(
        first,
        last,
        lines.document_of(first),
        indent,
        layout.astype(np.int64),
        shape,
        lines.next_filled(last),
        # Digits of any script count.
        np.array(list(map(int, count.str.extract(r"(\d+)\D*$", 1).fill_null("0"))), np.int64),
        lines.content_start[first] + prefix_bytes,
        end,
        is_marked,
        asks,
        is_passage,
        is_statement,
    )
    # What opens "**" and does not close it is no title; nor is a wrapped line with text below it,
    # or a paragraph whose last sentence asks.
    keep = is_closed & ((layout != Layout.FLAT) | (below <= indent))
    keep &= ~(found.is_wrapped & (shape == 0) & (layout == Layout.FLAT))
    keep &= is_marked | ((unmarked | is_statement) & (layout != Layout.FLAT) & lines.opens[first])
    found = _apart(found.where(keep))
    has_sentences, goes_on = _read_paragraphs(lines, found)
    # An item of several sentences is a thing to do that ends in doubt.
    is_item = found.is_passage & (found.shape > 0)
    is_passage = found.is_passage | has_sentences
    return dataclasses.replace(found, is_passage=is_passage).where(~goes_on & ~is_item)


def _apart(questions: Questions) -> Questions:
    """Those that reach into no later one: of two that overlap the longer is the question."""
    following = np.append(questions.line[1:], np.iinfo(np.int64).max)[: len(questions.line)]
    starts_below = np.minimum.accumulate(following[::-1])[::-1]
    return questions.where(questions.last < starts_below)


def _codes(marks: pl.Series) -> Int64s:
    """int64 [n], a number below 16 for each bullet or emphasis; 0 for none."""
    order = ["", "*", "-", "+", "•", "o", "**", "__", "_", "***", ">>", "=>", "==>", "→", "»"]
    return (
        marks.replace_strict(order, list(range(len(order))), default=15, return_dtype=pl.Int64)
        .to_numpy()
        .astype(np.int64)
    )


def _read_paragraphs(lines: Lines, questions: Questions) -> tuple[Bools, Bools]:
    """Bool [n] each, of those with several lines but no number: several sentences, or an "And"."""
    is_passage, goes_on = np.zeros((2, len(questions.line)), np.bool_)
    which = np.flatnonzero(questions.is_wrapped & (questions.shape == 0))
    text = lines.slices(questions.start[which], questions.end[which])
    flat = text.str.replace_all(r"\s+", " ")
    is_passage[which] = flat.str.contains(_SENTENCES).to_numpy()
    goes_on[which] = flat.str.contains(_GOES_ON).to_numpy()
    return is_passage, goes_on


def _follows_title(candidates: Candidates, number: Int64s) -> Bools:
    """Bool [n], whether a title stands right above: a short line that opens a paragraph.

    A line that opens like a question is none, but the first half of one; so is what goes on in
    lower case.
    """
    lines = candidates.lines
    above = np.maximum(number - 1, 0)
    follows: Bools = lines.opens[above] & (number > lines.first_line[lines.document_of(number)])
    follows[follows] = is_title(lines, above[follows])
    follows[follows] = ~lines.matching(number[follows], r"^[ \t]*\p{Ll}")
    is_half = candidates.matches(above[follows], _ASKING)
    follows[follows] = ~(is_half | lines.matching(above[follows], _STARTS_ITEM))
    return follows


def is_title(lines: Lines, number: Int64s) -> Bools:
    """Bool [n], whether a line is short, starts like a title and is not punctuated."""
    is_short: Bools = lines.start[number + 1] - lines.start[number] <= _MAX_TITLE_BYTES
    is_short[is_short] = lines.matching(number[is_short], _TITLE)
    return is_short


def asks_surely(lines: Lines, questions: Questions) -> Bools:
    """Bool [n], whether each opens with a word that seldom opens anything but a question."""
    return lines.matching(questions.line, SURE_WORD) | lines.matching(questions.line, _INVERTED)


def asks_later(lines: Lines, questions: Questions) -> Bools:
    """Bool [n], whether a later sentence or clause of each opens with a word that asks."""
    text = lines.slices(questions.start, questions.end).str.replace_all(r"\s+", " ")
    return np.asarray(text.str.contains(_ASKS_LATER).to_numpy(), np.bool_)
