"""From proposed episodes to spans: trim them, keep those that do not overlap, tile the documents.

Episodes become columns here: a Python object a span costs more than finding the episodes does.
Offsets are bytes of UTF-8 into the buffer that holds all documents of a table.
"""

import bisect
import itertools
import operator
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.episode import PLAYER_OF_KIND, Player, SegmentKind
from transforms.cues.family import Episode
from transforms.lines import Bools, Int64s, Lines

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

STRETCH = np.dtype([(name, np.int64) for name in ("start", "end", "family", "proposal")])
"""Bytes of an episode: all of them, or those in one place if it has gaps.

`family` is the ordinal of the family that found it, `proposal` its own among all proposed.
"""

CONTENT = np.dtype([(name, np.int64) for name in ("stretch", "kind", "turn", "start", "end")])
"""A content in row `stretch` of STRETCH; `kind` is a code."""

SPAN_RECORD = np.dtype(
    [(name, np.int64) for name in ("stretch", "kind", "player", "turn", "start", "end")]
)
"""A span of the table's buffer; `stretch` is a row of STRETCH, -1 outside episodes."""


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
    """The episodes of each family as records STRETCH, and their contents as records CONTENT."""
    episodes = list(itertools.chain.from_iterable(proposed))
    # Flat lists of numbers: the garbage collector walks through tuples of them again and again.
    edges: list[int] = []
    rows: list[int] = []
    for found in episodes:
        first = len(edges) // 2
        places = (found.start, *itertools.chain.from_iterable(found.gaps), found.end)
        edges.extend(places)
        if found.gaps:
            starts = (each.start for each in found.contents)
            rows.extend(first + bisect.bisect_right(places, start) // 2 for start in starts)
        else:
            rows.extend([first] * len(found.contents))
    stretches = np.zeros(len(edges) // 2, STRETCH)
    stretches["start"], stretches["end"] = edges[::2], edges[1::2]
    n_stretches = [1 + len(found.gaps) for found in episodes]
    stretches["proposal"] = np.repeat(np.arange(len(episodes)), n_stretches)
    family = np.repeat(np.arange(len(proposed)), [len(found) for found in proposed])
    stretches["family"] = family[stretches["proposal"]]
    held = [each for found in episodes for each in found.contents]
    contents = np.zeros(len(held), CONTENT)
    contents["stretch"], contents["kind"] = rows, [_CODE[each.kind] for each in held]
    for name in ("turn", "start", "end"):
        contents[name] = list(map(operator.attrgetter(name), held))
    return stretches, contents


def resolve(lines: Lines, stretches: Records, contents: Records) -> tuple[Records, Records]:
    """Trims, and keeps episodes that do not overlap: the outer of two, else the earlier.

    Of two that start together, one that reasons is kept: where its steps end is no guess.
    Episodes with an empty content are dropped, and the first family breaks ties. An episode with
    gaps is kept if all of its stretches are; what one in a single piece loses to it stays lost.

    Args:
      lines: of all documents.
      stretches: STRETCH [n].
      contents: CONTENT [m].

    Returns:
      STRETCH [n_kept] and CONTENT [m_kept], trimmed, ascending.
    """
    for records in (stretches, contents):
        records["start"], records["end"] = _trim_all(lines, records["start"], records["end"])
    kept = _outermost(stretches, _is_filled(stretches, contents), _reasons(stretches, contents))
    place = np.full(len(stretches), -1)
    place[kept] = np.arange(len(kept))
    contents["stretch"] = place[contents["stretch"]]
    contents = contents[contents["stretch"] >= 0]
    return stretches[kept], contents[np.argsort(contents["start"])]


def _is_filled(stretches: Records, contents: Records) -> Bools:
    """Bool [n], whether none of the contents of each stretch's episode is empty."""
    is_empty = contents["start"] >= contents["end"]
    empty = np.unique(stretches["proposal"][contents["stretch"][is_empty]])
    is_filled: Bools = ~np.isin(stretches["proposal"], empty)
    return is_filled


def _reasons(stretches: Records, contents: Records) -> Bools:
    """Bool [n], whether each stretch's episode has reasoning."""
    reasoning = contents["kind"] == _CODE[SegmentKind.REASONING]
    proposals = stretches["proposal"][contents["stretch"][reasoning]]
    reasons: Bools = np.isin(stretches["proposal"], proposals)
    return reasons


def _outermost(stretches: Records, is_usable: Bools, reasons: Bools) -> Int64s:
    """The rows of the stretches that are kept, ascending."""
    rank = np.lexsort((stretches["family"], -stretches["end"], ~reasons, stretches["start"]))
    rank = rank[is_usable[rank]]
    kept = _without_overlap(stretches, rank)
    n_stretches = np.bincount(stretches["proposal"])
    is_apart = n_stretches > 1
    if not is_apart.any():
        return kept
    # Those in pieces that lost one are out; the others hold what they have won.
    n_won = np.bincount(stretches["proposal"][kept], minlength=len(n_stretches))
    won = kept[(is_apart & (n_won == n_stretches))[stretches["proposal"][kept]]]
    rest = rank[~is_apart[stretches["proposal"][rank]]]
    n_before = np.searchsorted(stretches["end"][won], stretches["start"][rest], side="right")
    following = np.append(stretches["start"][won], np.iinfo(np.int64).max)[n_before]
    rest = _without_overlap(stretches, rest[stretches["end"][rest] <= following])
    kept = np.concatenate([won, rest])
    return kept[np.argsort(stretches["start"][kept])]


def _without_overlap(stretches: Records, rank: Int64s) -> Int64s:
    """The rows of rank that start where none before them still goes on."""
    kept, free_from = [], 0
    starts, ends = stretches["start"][rank].tolist(), stretches["end"][rank].tolist()
    for row, start, end in zip(rank.tolist(), starts, ends, strict=True):
        if start >= free_from:
            kept.append(row)
            free_from = end
    return np.array(kept, np.int64)


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


def opens_episode(stretches: Records) -> Bools:
    """Bool [n], whether each of the stretches, ascending, is the first of its episode."""
    is_first = np.zeros(len(stretches), np.bool_)
    is_first[np.unique(stretches["proposal"], return_index=True)[1]] = True
    return is_first


def tile(lines: Lines, stretches: Records, contents: Records) -> Records:
    """The spans of all documents, SPANS ascending.

    Args:
      lines: of all documents.
      stretches: STRETCH, resolved.
      contents: CONTENT of these stretches, ascending.
    """
    # Text begins where a document begins or a stretch ends; it ends the other way round.
    opens = np.sort(np.concatenate([lines.document_start[:-1], stretches["end"]]))
    closes = np.sort(np.concatenate([lines.document_start[1:], stretches["start"]]))
    text = np.zeros(len(opens), SPAN_RECORD)
    text["stretch"], text["kind"], text["start"], text["end"] = -1, _TEXT, opens, closes
    filled = np.zeros(len(contents), SPAN_RECORD)
    for name in CONTENT.names or ():
        filled[name] = contents[name]
    filled["player"] = _PLAYER[contents["kind"]]
    spans = np.concatenate([text[opens < closes], filled, _markers(lines, stretches, filled)])
    return spans[np.argsort(spans["start"])]


def _markers(lines: Lines, stretches: Records, contents: Records) -> Records:
    """What stands between contents, cut into white space and labels, a line's label in one."""
    first = np.searchsorted(contents["stretch"], np.arange(len(stretches) + 1))
    start = np.insert(contents["end"], first[:-1], stretches["start"])
    end = np.insert(contents["start"], first[1:], stretches["end"])
    # What stands before an episode's first content was chosen by neither player; what stands
    # between two turns, or before an answer in a place of its own, belongs to the following one.
    owner = np.insert(np.arange(len(contents)), first[1:], first[1:] - 1)
    gaps = contents[owner]
    opening = first[:-1] + np.arange(len(stretches))
    gaps["player"][opening[opens_episode(stretches)]] = Player.NATURE
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
