"""What a cue family is and what it finds: episodes as byte ranges, before they are resolved."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from schemas.episode import SegmentKind
from transforms.candidates import Candidates

# By themselves, because members of an enumeration are looked up slowly in Python 3.11.
_QUESTION, _ANSWER = SegmentKind.QUESTION, SegmentKind.ANSWER


class Content(NamedTuple):
    """A question, a stretch of reasoning or an answer; white space at its ends does not matter.

    Attributes:
      kind: QUESTION, REASONING or ANSWER.
      turn: ordinal in the episode; even turns are player one's, odd ones player two's.
      start: byte offset into the table's buffer.
      end: byte offset into the table's buffer.
    """

    kind: SegmentKind
    turn: int
    start: int
    end: int


class Episode(NamedTuple):
    """An episode as a family proposes it.

    Whatever lies in [start, end) outside the contents and the gaps is a native label or white
    space.

    Attributes:
      start: byte offset of the first label or content.
      end: byte offset of the end of the last label or content.
      contents: ascending, not overlapping, inside [start, end), of one document.
      cue: what fired, for people.
      gaps: ascending, byte ranges between contents that are not the episode's: what stands between
        an exercise and its solution at the end of the book.
    """

    start: int
    end: int
    contents: tuple[Content, ...]
    cue: str
    gaps: tuple[tuple[int, int], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CueFamily:
    """A family of cues: one game.

    A new family is a module that ends in a FAMILY and an entry of `transforms.cues.FAMILIES`.
    """

    name: str
    """The game of its episodes."""

    find: Callable[[Candidates], Sequence[Episode]]
    """Proposes episodes. What it finds in a document may not depend on the other documents."""


def pair(question: tuple[int, int], answer: tuple[int, int], *, start: int, cue: str) -> Episode:
    """An episode of one question and one answer that ends with the answer."""
    contents = (Content(_QUESTION, 0, *question), Content(_ANSWER, 1, *answer))
    return Episode(start, answer[1], contents, cue)
