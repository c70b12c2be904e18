"""Candidate lines: the few that cue families look at closely."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import polars as pl

from transforms.lines import Int64s, Lines
from transforms.outline import OUTLINE, Heading, read_outline

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """The lines that matched some family's candidate expression or may shape the outline.

    Attributes:
      lines: all lines.
      number: int64 [n_candidates], numbers of the candidate lines, ascending.
      text: String [n_candidates], the lines, each with its newline.
    """

    lines: Lines
    number: Int64s
    text: pl.Series

    def matching(self, pattern: str) -> tuple[Int64s, pl.Series]:
        """The candidates that a Rust regular expression matches: their numbers and texts."""
        is_match = self.text.str.contains(pattern)
        return self.number[is_match.to_numpy()], self.text.filter(is_match)

    _found: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def once(self, find: Callable[["Candidates"], T]) -> T:
        """What `find` finds here, looked for once: families build on each other's findings."""
        if find not in self._found:
            self._found[find] = find(self)
        found: T = self._found[find]
        return found

    @functools.cached_property
    def outline(self) -> list[Heading]:
        """The headings that markup shows, of all documents, in order."""
        return read_outline(self.lines, *self.matching(OUTLINE))


def find_candidates(lines: Lines, patterns: Iterable[str]) -> Candidates:
    """Tests every line against each pattern, the only look at all lines' texts.

    Args:
      lines: of all documents.
      patterns: Rust regular expressions.
    """
    # A test for each pattern beats one alternation: most are anchored and fail at once, while the
    # automaton of the alternation outgrows its cache.
    is_candidate = np.zeros(lines.n_lines, np.bool_)
    for pattern in (*patterns, OUTLINE):
        is_candidate |= lines.text.str.contains(pattern).to_numpy()
    return Candidates(lines, np.flatnonzero(is_candidate), lines.text.filter(is_candidate))
