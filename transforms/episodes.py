"""From proposed episodes to spans: trim them, keep those that do not overlap, tile the documents.

Episodes become columns here: a Python object a span costs more than finding the episodes does.
Offsets are bytes of UTF-8 into the buffer that holds all documents of a table.
"""

import itertools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.episode import PLAYER_OF_KIND, Player, SegmentKind
from transforms.cues.family import Episode
from transforms.lines import Int64s, Lines

Records = npt.NDArray[np.void]

# White space as `str.isspace` has it, in UTF-8.
_WHITE = re.compile(
    rb"(?:[\t-\r\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80)*+"
)
# The same as a Rust regular expression, and a label: what is left of a line between white space.
_MARKER = r"[\s\x1c-\x1f]+|[^\s\x1c-\x1f](?:[^\n]*[^\s\x1c-\x1f])?"
_ASCII_WHITE = frozenset(b"\t\n\v\f\r\x1c\x1d\x1e\x1f ")
_IS_WHITE = np.isin(np.arange(256), list(_ASCII_WHITE))
_NOT_ASCII = 0x80
_TAIL_BYTES = 64
# So many bytes are trimmed off all ranges at once, the rest range by range.
_SHORT = 8

KINDS = tuple(SegmentKind)
"""A kind's code is its ordinal here."""

_CODE = {kind: code for code, kind in enumerate(KINDS)}
_TEXT, _MARKED = _CODE[SegmentKind.TEXT], _CODE[SegmentKind.MARKER]
_PLAYER = np.array([PLAYER_OF_KIND.get(kind, Player.NATURE) for kind in KINDS])

EPISODE = np.dtype([(name, np.int64) for name in ("start", "end", "family", "proposal")])
"""An episode's bytes, the ordinal of the family that found it and its own among all proposed."""

CONTENT = np.dtype([(name, np.int64) for name in ("episode", "kind", "turn", "start", "end")])
"""A content of the episode in row `episode`; `kind` is a code."""

SPAN_RECORD = np.dtype(
    [(name, np.int64) for name in ("episode", "kind", "player", "turn", "start", "end")]
)
"""A span of the table's buffer; `episode` is a row of EPISODE, -1 outside episodes."""


def trim(data: memoryview, start: int, end: int) -> tuple[int, int]:
    r"""The range without the white space at its ends; empty when it holds nothing else.

    Example:
      >>> trim(memoryview(" a\u3000".encode()), 0, 5)
      (1, 2)
    """
    while start < end and data[start] in _ASCII_WHITE:
        start += 1
    while start < end and data[end - 1] in _ASCII_WHITE:
        end -= 1
    if start < end and (data[start] >= _NOT_ASCII or data[end - 1] >= _NOT_ASCII):
        return _trim_any(data, start, end)
    return start, end


def _trim_any(data: memoryview, start: int, end: int) -> tuple[int, int]:
    match = _WHITE.match(data, start, end)
    start = end if match is None else match.end()
    size = _TAIL_BYTES
    while start < end:
        # Most tails are short. Looking ever further back keeps a long one linear.
        low = max(start, end - size)
        tail = str(data[low:end], "utf-8", "surrogateescape")
        kept = len(tail.rstrip().encode("utf-8", "surrogateescape"))
        if kept:
            return start, low + kept
        end, size = low, 2 * size
    return start, start


def as_records(proposed: Sequence[Sequence[Episode]]) -> tuple[Records, Records]:
    """The episodes of each family, and their contents, as records EPISODE and CONTENT."""
    numbered = list(enumerate(itertools.chain.from_iterable(proposed)))
    family = np.repeat(np.arange(len(proposed)), [len(found) for found in proposed]).tolist()
    episodes = [(found.start, found.end, family[row], row) for row, found in numbered]
    contents = [
        (row, _CODE[kind], turn, start, end)
        for row, found in numbered
        for kind, turn, start, end in found.contents
    ]
    return np.array(episodes, EPISODE), np.array(contents, CONTENT)


def resolve(lines: Lines, episodes: Records, contents: Records) -> tuple[Records, Records]:
    """Trims, and keeps episodes that do not overlap: the outer of two, else the earlier.

    Episodes with an empty content are dropped, and the first family breaks ties.

    Args:
      lines: of all documents.
      episodes: EPISODE [n].
      contents: CONTENT [m].

    Returns:
      EPISODE [n_kept] and CONTENT [m_kept], trimmed, ascending.
    """
    for records in (episodes, contents):
        records["start"], records["end"] = _trim_all(lines, records["start"], records["end"])
    is_usable = np.ones(len(episodes), np.bool_)
    is_usable[contents["episode"][contents["start"] >= contents["end"]]] = False
    rank = np.lexsort((episodes["family"], -episodes["end"], episodes["start"]))
    rank = rank[is_usable[rank]]
    kept, free_from = [], 0
    starts, ends = episodes["start"][rank].tolist(), episodes["end"][rank].tolist()
    for row, start, end in zip(rank.tolist(), starts, ends, strict=True):
        if start >= free_from:
            kept.append(row)
            free_from = end
    place = np.full(len(episodes), -1)
    place[kept] = np.arange(len(kept))
    contents["episode"] = place[contents["episode"]]
    contents = contents[contents["episode"] >= 0]
    return episodes[kept], contents[np.argsort(contents["start"])]


def _trim_all(lines: Lines, start: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
    """Trims ranges, int64 [n]; start >= end where nothing is left."""
    start, end, buffer = start.copy(), end.copy(), lines.buffer
    for _ in range(_SHORT):
        is_filled = start < end
        opens = is_filled & _IS_WHITE[buffer.take(start, mode="clip")]
        closes = is_filled & _IS_WHITE[buffer.take(end - 1, mode="clip")]
        if not (opens.any() or closes.any()):
            break
        start += opens
        end -= closes
    edges = buffer.take([start, end - 1], mode="clip")
    is_left = (start < end) & (_IS_WHITE[edges] | (edges >= _NOT_ASCII)).any(axis=0)
    for i in np.flatnonzero(is_left).tolist():
        start[i], end[i] = trim(lines.data, int(start[i]), int(end[i]))
    return start, end


def tile(lines: Lines, episodes: Records, contents: Records) -> Records:
    """The spans of all documents, SPANS ascending.

    Args:
      lines: of all documents.
      episodes: EPISODE, resolved.
      contents: CONTENT of these episodes, ascending.
    """
    # Text begins where a document begins or an episode ends; it ends the other way round.
    opens = np.sort(np.concatenate([lines.document_start[:-1], episodes["end"]]))
    closes = np.sort(np.concatenate([lines.document_start[1:], episodes["start"]]))
    text = np.zeros(len(opens), SPAN_RECORD)
    text["episode"], text["kind"], text["start"], text["end"] = -1, _TEXT, opens, closes
    filled = np.zeros(len(contents), SPAN_RECORD)
    for name in CONTENT.names or ():
        filled[name] = contents[name]
    filled["player"] = _PLAYER[contents["kind"]]
    spans = np.concatenate([text[opens < closes], filled, _markers(lines, episodes, filled)])
    return spans[np.argsort(spans["start"])]


def _markers(lines: Lines, episodes: Records, contents: Records) -> Records:
    """What stands between contents, cut into white space and labels, a line's label in one."""
    first = np.searchsorted(contents["episode"], np.arange(len(episodes) + 1))
    start = np.insert(contents["end"], first[:-1], episodes["start"])
    end = np.insert(contents["start"], first[1:], episodes["end"])
    # What stands before the first content was chosen by neither player; what stands between two
    # turns belongs to the following one.
    owner = np.insert(np.arange(len(contents)), first[1:], first[1:] - 1)
    gaps = contents[owner]
    gaps["player"][first[:-1] + np.arange(len(episodes))] = Player.NATURE
    gaps["kind"], gaps["start"], gaps["end"] = _MARKED, start, end
    gaps = gaps[start < end]
    pieces = lines.slices(gaps["start"], gaps["end"]).str.extract_all(_MARKER)
    n_pieces = pieces.list.len().to_numpy()
    size_bytes = pieces.explode().str.len_bytes().to_numpy().astype(np.int64)
    markers = np.repeat(gaps, n_pieces)
    before = np.cumsum(size_bytes) - size_bytes
    # Offsets inside a gap: what all pieces before take, less what those of earlier gaps take.
    earlier = np.cumsum(gaps["end"] - gaps["start"]) - (gaps["end"] - gaps["start"])
    markers["start"] += before - np.repeat(earlier, n_pieces)
    markers["end"] = markers["start"] + size_bytes
    return markers
