"""A table's text as lines: where they start, how they are indented, which are blank.

All documents of a table stand in one buffer, and lines are views into it, so that one vectorised
test sees every line of every document. Offsets are bytes of UTF-8 into that buffer.
"""

import dataclasses
import functools
import itertools
import operator

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.openings import Bools as Bools
from transforms.openings import Int64s as Int64s
from transforms.openings import (
    Openings,
    Uint16s,
    beginnings,
    opening_so,
    read_pairs,
    sort_openings,
    word_beginnings,
)

MARKS = ("?", ":", ">", "\\", "$%#", "0123456789", "\"'")
"""Classes of characters that lines can be asked for."""

MARKUP = " \t\f\u3000\ufeff#*_[(>:"
"""Characters that may stand before a line's first word."""

_OPENS_MARKUP = np.isin(np.arange(256), [mark.encode()[0] for mark in MARKUP])

_PIECE_BYTES = 1 << 20
# Lines are few or many by their share of all.
_FEW, _SOME = 32, 8
_NEWLINE = 10
_TAB = 9
_TAB_COLUMNS = 8
_NOT_ASCII = 0x80
_BYTE_ORDER_MARK = np.frombuffer("\ufeff".encode(), np.uint8)
# A bit for each of MARKS; the highest is that of every byte that is not ASCII.
_MARK_BIT = {mark: 1 << place for place, marks in enumerate(MARKS) for mark in marks}
_MARK_BITS = bytes(
    _NOT_ASCII if byte >= _NOT_ASCII else _MARK_BIT.get(chr(byte), 0) for byte in range(256)
)


@dataclasses.dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a table's documents, in order.

    A line ends with its newline, which belongs to it, or with its document. No line spans two
    documents. Empty documents have no lines. A byte order mark that opens a document is a blank
    line of its own, so that what follows it opens a line.

    Attributes:
      buffer: uint8 [n_bytes], the UTF-8 text of all documents, one after the other.
      document_start: int64 [n_documents + 1], offsets into buffer.
      start: int64 [n_lines + 1], offsets into buffer; line i is [start[i], start[i + 1]).
      first_line: int64 [n_documents + 1]; document d has the lines [first_line[d],
        first_line[d + 1]).
    """

    buffer: npt.NDArray[np.uint8]
    document_start: Int64s
    start: Int64s
    first_line: Int64s

    @property
    def n_lines(self) -> int:
        """How many lines there are."""
        return len(self.start) - 1

    @functools.cached_property
    def data(self) -> memoryview:
        """The buffer as Python reads it fastest, byte by byte."""
        return self.buffer.data

    @functools.cached_property
    def text(self) -> pl.Series:
        """String [n_lines], each line with its newline; views into the buffer, nothing copied."""
        return self._cut(self.start)

    def slices(self, start: Int64s, end: Int64s) -> pl.Series:
        """String [n], the bytes [start, end) of each range.

        Raises:
          ValueError: ranges do not ascend, or overlap.
        """
        edges = np.stack([start, end], axis=1).ravel()
        # Arrow reads what offsets say, wherever that is.
        if (np.diff(edges) < 0).any():
            msg = "ranges of bytes must ascend and not overlap"
            raise ValueError(msg)
        return self._cut(edges)[np.arange(0, len(edges), 2)]

    def _cut(self, offsets: Int64s) -> pl.Series:
        """String [n - 1], what stands between each offset and the next, nothing copied."""
        n_strings = max(len(offsets) - 1, 0)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.buffer)]
        array = pa.Array.from_buffers(pa.large_string(), n_strings, buffers)
        series = pl.from_arrow(array)
        assert isinstance(series, pl.Series)
        return series

    @functools.cached_property
    def _filled_bytes(self) -> Int64s:
        """int64 [n_lines], the bytes from the first that is not white space; 0 in a blank line."""
        filled = self.text.str.strip_chars_start().str.len_bytes()
        n_bytes = filled.to_numpy().astype(np.int64)
        heads = self.first_line[:-1][np.diff(self.first_line) > 0]
        n_bytes[heads[_is_marked(self.buffer, self.start[heads])]] = 0
        return n_bytes

    @functools.cached_property
    def is_blank(self) -> Bools:
        """Bool [n_lines], whether a line is white space only."""
        return np.equal(self._filled_bytes, 0)

    @functools.cached_property
    def content_start(self) -> Int64s:
        """int64 [n_lines], byte offset of a line's first byte that is not white space."""
        return self.start[1:] - self._filled_bytes

    def texts(self, number: Int64s) -> pl.Series:
        """String [n], some lines, by their numbers; views into the buffer."""
        # `gather` does the same through a query, which costs several times as much.
        return self.text[number]

    def matching(self, number: Int64s, pattern: str) -> Bools:
        """Bool [n], whether a Rust regular expression matches each of some lines, int64 [n]."""
        # What is asked of no line is not compiled either.
        if len(number) == 0:
            return np.zeros(0, np.bool_)
        return np.asarray(self.texts(number).str.contains(pattern).to_numpy(), np.bool_)

    @functools.cached_property
    def _marks(self) -> npt.NDArray[np.uint8]:
        """uint8 [n_lines], _MARK_BITS of a line's bytes; 0 in a blank line."""
        marks = np.zeros(self.n_lines, np.uint8)
        # Piece by piece, so that what is translated stays in the processor's cache.
        cuts = np.searchsorted(self.start, np.arange(0, len(self.buffer), _PIECE_BYTES))
        for low, high in itertools.pairwise(np.union1d(cuts, self.n_lines).tolist()):
            start = self.start[low : high + 1]
            bits = self.buffer[start[0] : start[-1]].tobytes().translate(_MARK_BITS)
            piece = np.frombuffer(bits, np.uint8)
            marks[low:high] = np.bitwise_or.reduceat(piece, start[:-1] - start[0])
        marks[self.is_blank] = 0
        return marks

    @functools.cached_property
    def _pairs(self) -> tuple[Uint16s, Uint16s]:
        """uint16 [n_lines] each, of a line's content the first two bytes and the two behind."""
        starts = (self.content_start, self.content_start + 2)
        first, then = (read_pairs(self.buffer, start, self.start[1:]) for start in starts)
        return first, then

    @functools.cached_property
    def openings(self) -> Openings:
        """The lines that are not blank by their first bytes, white space left out."""
        return sort_openings(self.filled, *(pair[self.filled] for pair in self._pairs))

    @functools.cached_property
    def marked_openings(self) -> Openings:
        """The lines that open with MARKUP by their first bytes behind it."""
        is_marked = _OPENS_MARKUP[self.buffer[self.content_start[self.filled]]]
        number = self.filled[is_marked]
        rest = self.texts(number).str.strip_chars_start(MARKUP)
        end = self.start[number + 1]
        start = end - rest.str.len_bytes().to_numpy().astype(np.int64)
        pairs = (read_pairs(self.buffer, at, end) for at in (start, start + 2))
        return sort_openings(number, *pairs)

    def opening_with(self, opens: str | tuple[str, ...], *holds: str) -> Int64s:
        """int64 [n], the lines that, white space left out, may open with one of these; ascending.

        Up to four bytes are compared, of a last character no more than the first. They may hold
        one of each of some marks, as of `holding`.
        """
        wanted = beginnings(opens)
        if holds and _SOME * self.openings.n_similar(wanted) > len(self.filled):
            return opening_so(self.holding(*holds), *self._pairs, wanted)
        number = self._ascending(self.openings.matching(wanted))
        return self.among_holding(number, *holds) if holds else number

    def opening_with_word(self, words: tuple[str, ...]) -> Int64s:
        """int64 [n], the lines whose first word behind MARKUP may be one of these; ascending."""
        wanted = word_beginnings(words)
        found = [each.matching(wanted) for each in (self.openings, self.marked_openings)]
        return self._ascending(np.concatenate(found))

    def _ascending(self, number: Int64s) -> Int64s:
        """Numbers of lines, int64 [n], in order, each once."""
        if _FEW * len(number) < self.n_lines:
            number = np.sort(number, kind="stable")
            return number[np.diff(number, prepend=-1) > 0]
        # Marking lines costs less than sorting many numbers does.
        is_found = np.zeros(self.n_lines, np.bool_)
        is_found[number] = True
        return np.flatnonzero(is_found)

    def holding(self, *marks: str) -> Int64s:
        """int64 [n], the lines that are not blank and may hold one of each of marks; ascending.

        Marks of one class of MARKS are not told apart, nor are those that are not ASCII.
        """
        return np.flatnonzero(_holds(self._marks, marks))

    def among_holding(self, number: Int64s, *marks: str) -> Int64s:
        """Those of some lines, int64 [n], none blank, that may hold one of each of marks."""
        return number[_holds(self._marks[number], marks)]

    @functools.cached_property
    def filled(self) -> Int64s:
        """int64 [n_filled], the numbers of the lines that are not blank, ascending."""
        return np.flatnonzero(~self.is_blank)

    @functools.cached_property
    def indent(self) -> Int64s:
        """int64 [n_lines], columns of leading white space, a tab counting as eight."""
        size = np.diff(self.start)
        indent = size - self._filled_bytes
        first = self.start[:-1]
        # One tab at either end of the indentation is told apart from spaces; that is all that
        # comparing a heading's indentation with its body's needs.
        last = first + np.maximum(indent - 1, 0)
        has_tab = (indent > 0) & ((self.buffer[first] == _TAB) | (self.buffer[last] == _TAB))
        indent[has_tab] += _TAB_COLUMNS - 1
        return indent

    @functools.cached_property
    def opens(self) -> Bools:
        """Bool [n_lines], whether a line's document starts there or a blank line stands above."""
        opens = np.roll(self.is_blank, 1)
        opens[self._document_lines()] = True
        return opens

    @functools.cached_property
    def openers(self) -> Int64s:
        """int64 [n], the lines that open a paragraph, ascending."""
        return np.flatnonzero(self.opens & ~self.is_blank)

    @functools.cached_property
    def closes(self) -> Bools:
        """Bool [n_lines], whether a line's document ends there or a blank line stands below."""
        closes = np.roll(self.is_blank, -1)
        closes[self._document_lines() - 1] = True
        return closes

    def _document_lines(self) -> Int64s:
        """The first lines of the documents that have lines; 0 also stands for the end."""
        return self.first_line % max(self.n_lines, 1) if self.n_lines else self.first_line[:0]

    @functools.cached_property
    def _filled_or_end(self) -> Int64s:
        return np.append(self.filled, self.n_lines)

    @functools.cached_property
    def _blank_or_end(self) -> Int64s:
        return np.append(np.flatnonzero(self.is_blank), self.n_lines)

    def document_of(self, lines: Int64s) -> Int64s:
        """int64 [n], the ordinal of the document that each line belongs to."""
        return self._document[lines]

    @functools.cached_property
    def _document(self) -> Int64s:
        """int64 [n_lines + 1], each line's document; behind the last line there is none."""
        n_documents = len(self.first_line) - 1
        return np.append(np.repeat(np.arange(n_documents), np.diff(self.first_line)), n_documents)

    def shares_document(self, lines: Int64s) -> Bools:
        """Bool [n_lines], whether one of these lines, int64 [n], is in a line's document."""
        is_found = np.zeros(len(self.first_line) - 1, np.bool_)
        is_found[self.document_of(lines)] = True
        return np.repeat(is_found, np.diff(self.first_line))

    def next_filled(self, lines: Int64s) -> Int64s:
        """int64 [n], the first line after each that is not blank; n_lines where there is none."""
        return self._filled_or_end[np.searchsorted(self.filled, lines, side="right")]

    def filled_after(self, line: int) -> int:
        """The first line after one that is not blank; n_lines where there is none."""
        return int(self._filled_or_end[self.filled.searchsorted(line, side="right")])

    def blank_from(self, line: int) -> int:
        """The first blank line at or after one; n_lines where there is none."""
        return int(self._blank_or_end[self._blank_or_end.searchsorted(line)])

    def next_blank(self, lines: Int64s) -> Int64s:
        """int64 [n], the first blank line at or after each; n_lines where there is none."""
        return self._blank_or_end[np.searchsorted(self._blank_or_end, lines, side="left")]


def split_lines(text: pa.ChunkedArray) -> Lines:
    r"""Splits the documents of a column into lines.

    Args:
      text: large_string [n_documents]; null counts as empty.

    Example:
      >>> lines = split_lines(pa.chunked_array([["Q: ?\nA: !", None, "x\n"]], pa.large_string()))
      >>> lines.text.to_list(), lines.first_line.tolist()
      (['Q: ?\n', 'A: !', 'x\n'], [0, 2, 2, 3])
    """
    column = pc.fill_null(text, "") if text.null_count else text
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    buffer, document_start = _text_buffer(array)
    # A line starts after each newline and where a document starts; the last start is the end.
    is_start = np.zeros(len(buffer) + 1, np.bool_)
    np.equal(buffer, _NEWLINE, out=is_start[1:])
    is_start[document_start] = True
    marked = document_start[_is_marked(buffer, document_start)]
    is_start[marked + len(_BYTE_ORDER_MARK)] = True
    start = np.flatnonzero(is_start).astype(np.int64, copy=False)
    first_line = np.searchsorted(start, document_start).astype(np.int64, copy=False)
    return Lines(buffer, document_start, start, first_line)


def _holds(held: npt.NDArray[np.uint8], marks: tuple[str, ...]) -> Bools:
    """Bool [n], whether lines with these _MARK_BITS, uint8 [n], may hold one of each of marks."""
    each = (
        functools.reduce(operator.or_, (_MARK_BIT.get(mark, _NOT_ASCII) for mark in some))
        for some in marks
    )
    holds: Bools = functools.reduce(operator.and_, (held & bits != 0 for bits in each))
    return holds


def _is_marked(buffer: npt.NDArray[np.uint8], start: Int64s) -> Bools:
    """Bool [n], whether a byte order mark stands at each offset."""
    if len(buffer) < len(_BYTE_ORDER_MARK):
        return np.zeros(len(start), np.bool_)
    head = start[:, None] + np.arange(len(_BYTE_ORDER_MARK))
    marked: Bools = (buffer.take(head, mode="clip") == _BYTE_ORDER_MARK).all(axis=1)
    return marked


def _text_buffer(array: pa.LargeStringArray) -> tuple[npt.NDArray[np.uint8], Int64s]:
    """The bytes that an array's strings cover and the offsets of the strings in them."""
    if len(array) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    everything = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return everything[ends[0] : ends[-1]], ends - ends[0]
