"""Candidate lines: the few that cue families look at closely."""

import dataclasses
import functools
import string
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.lines import Bools, Int64s, Lines
from transforms.outline import OUTLINE, TERM, Heading, read_outline

T = TypeVar("T")

_OTHERS = "".join(
    map(chr, (*range(0x80, 0x800, 0x40), 0x800, *range(0x1000, 0x110000, 0x1000)))
).replace("\ud800", "")
# Characters with every first byte that is not ASCII stand for all others: letters and digits are
# those of any script.
CAPITALS, DIGITS, LETTERS = (
    known + _OTHERS for known in (string.ascii_uppercase, string.digits, string.ascii_letters)
)


class LinePattern(NamedTuple):
    r"""Which lines a family looks at: a regular expression behind gates that cost less.

    A line is tested by itself, with its newline. It reaches the expression if it passes all
    gates. They may be wide but never narrow: a line that the expression matches and a gate keeps
    out is lost.

    Attributes:
      pattern: Rust regular expression.
      opens: characters, or beginnings, of which a matching line opens with one, white space left
        out; empty for any.
      words: the first word of a matching line, in any case, white space and
        `transforms.lines.MARKUP` left out, opens with one of these; empty for any.
      holds: the characters of which a matching line holds one, each of `transforms.lines.MARKS` or
        not ASCII; of several strings it holds one each; empty for any.
    """

    pattern: str
    opens: str | tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    holds: str | tuple[str, ...] = ()


class Refusal(NamedTuple):
    """Why lines open no episode of a family.

    Attributes:
      number: int64 [n], numbers of the lines.
      family: its name.
      reason: for people.
    """

    number: Int64s
    family: str
    reason: str


# White space in the sense of Rust, by its first bytes; a line that ends there has a newline.
_WHITE = " \t\n\v\f\r\u0085\u1680\u2000\u3000"
OUTLINE_LINES = (
    LinePattern(
        OUTLINE,
        opens=(
            *(mark * 3 + end for mark in "-^\"'+_:" for end in mark + _WHITE),
            *("##", "===", "***", "~~~", "```", ".. _"),
            *(mark + space for mark in ("#", "=", "==", "*", "**") for space in " \t"),
            *("[" + mark for mark in "[#.qhdfag"),
            *".\\@<;",
        ),
    ),
    LinePattern(TERM, holds="?？"),
)
"""Those that make up the outline."""


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """The lines of a table's documents as cue families look at them: by pattern, each once.

    Attributes:
      lines: all lines.
      refusals: what families say of lines that they looked at and left, for people.
    """

    lines: Lines
    refusals: list[Refusal] = dataclasses.field(default_factory=list, init=False, repr=False)
    _found: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def matching(self, *patterns: LinePattern) -> tuple[Int64s, pl.Series]:
        """The lines that one of the patterns matches.

        Returns:
          int64 [n], their numbers, ascending, and String [n], their texts.
        """
        found = [self._matching(pattern) for pattern in patterns]
        if len(found) == 1:
            return found[0]
        is_found = np.zeros(self.lines.n_lines, np.bool_)
        for number, _ in found:
            is_found[number] = True
        number = np.flatnonzero(is_found)
        return number, self.lines.texts(number)

    def _matching(self, pattern: LinePattern) -> tuple[Int64s, pl.Series]:
        if pattern not in self._found:
            self._found[pattern] = self.among(self.passing(pattern), pattern.pattern)
        found: tuple[Int64s, pl.Series] = self._found[pattern]
        return found

    def matches(self, number: Int64s, pattern: LinePattern) -> Bools:
        """Bool [n], whether each of some lines, int64 [n], is among all that a pattern matches."""
        found, _ = self._matching(pattern)
        matches: Bools = np.append(found, -1)[np.searchsorted(found, number)] == number
        return matches

    def passing(self, pattern: LinePattern) -> Int64s:
        """int64 [n], the lines that pass a pattern's gates, ascending."""
        lines = self.lines
        holds = (pattern.holds,) if isinstance(pattern.holds, str) else pattern.holds
        if pattern.words:
            number = lines.opening_with_word(pattern.words)
            return lines.among_holding(number, *holds) if holds else number
        if pattern.opens:
            return lines.opening_with(pattern.opens, *holds)
        return lines.holding(*holds) if holds else lines.filled

    def among(self, number: Int64s, pattern: str) -> tuple[Int64s, pl.Series]:
        """Those of some lines, int64 [n], that a Rust regular expression matches."""
        text = self.lines.texts(number)
        if len(number) == 0:
            return number, text
        is_match = text.str.contains(pattern)
        return number[is_match.to_numpy()], text.filter(is_match)

    def refuse(self, number: npt.ArrayLike, family: str, reason: str) -> None:
        """Says why lines, int64 [n] numbers, open no episode of a family, after looking closely."""
        self.refusals.append(Refusal(np.asarray(number, np.int64), family, reason))

    def once(self, find: Callable[["Candidates"], T]) -> T:
        """What `find` finds here, looked for once: families build on each other's findings."""
        if find not in self._found:
            self._found[find] = find(self)
        found: T = self._found[find]
        return found

    @functools.cached_property
    def outline(self) -> list[Heading]:
        """The headings that markup shows, of all documents, in order."""
        return read_outline(self.lines, *self.matching(*OUTLINE_LINES))
