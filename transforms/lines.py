"""A table's text as lines: where they start, how they are indented, which are blank.

All documents of a table stand in one buffer, and lines are views into it, so that one vectorised
test sees every line of every document. Offsets are bytes of UTF-8 into that buffer.
"""

import dataclasses
import functools
import operator
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MARKS = ("?", ":", ">", "\\", "$%#", "0123456789")
"""Classes of characters that lines can be asked for."""

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
        """String [n], the bytes [start, end) of each range; ascending, not overlapping."""
        return self._cut(np.stack([start, end], axis=1).ravel()).gather_every(2)

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

    @functools.cached_property
    def _first_bytes(self) -> npt.NDArray[np.uint16]:
        """uint16 [n_lines], a line's first two bytes from the first that is not white space.

        What is missing is a newline. In a blank line they mean nothing.
        """
        if self.n_lines == 0:
            return np.zeros(0, np.uint16)
        first = self.buffer.take(self.content_start, mode="clip").astype(np.uint16)
        second = self.buffer.take(self.content_start + 1, mode="clip")
        second = np.where(self.content_start + 1 < self.start[1:], second, _NEWLINE)
        return np.asarray(first << 8 | second, np.uint16)

    @functools.cached_property
    def _marks(self) -> npt.NDArray[np.uint8]:
        """uint8 [n_lines], _MARK_BITS of a line's bytes."""
        if self.n_lines == 0:
            return np.zeros(0, np.uint8)
        bits = np.frombuffer(self.buffer.tobytes().translate(_MARK_BITS), np.uint8)
        return np.bitwise_or.reduceat(bits, self.start[:-1])

    def opens_with(self, beginnings: Iterable[str]) -> Bools:
        """Bool [n_lines], whether a line, white space left out, may open with one of these.

        Of a character by itself the first byte is compared, else two. What is said of a blank line
        means nothing.
        """
        table = np.zeros((256, 256), np.bool_)
        for beginning in beginnings:
            first, *rest = beginning.encode()
            table[first, rest[0] if len(beginning) > 1 else slice(None)] = True
        return np.asarray(table.ravel()[self._first_bytes], np.bool_)

    def holds(self, marks: str) -> Bools:
        """Bool [n_lines], whether a line may hold one of these marks.

        Marks of one class of MARKS are not told apart, nor are those that are not ASCII.
        """
        bits = functools.reduce(operator.or_, (_MARK_BIT.get(mark, _NOT_ASCII) for mark in marks))
        return np.asarray(np.not_equal(self._marks & bits, 0), np.bool_)

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
        return np.searchsorted(self.first_line, lines, side="right").astype(np.int64) - 1

    def next_filled(self, lines: Int64s) -> Int64s:
        """int64 [n], the first line after each that is not blank; n_lines where there is none."""
        return self._filled_or_end[np.searchsorted(self.filled, lines, side="right")]

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
