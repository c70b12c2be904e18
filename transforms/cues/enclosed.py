"""What stands around a text that is shown and not said: a program's string, a fence of code."""

import bisect
import re
from collections.abc import Sequence

from transforms.lines import Lines

STRINGS = (re.compile(rb'"""'), re.compile(rb"'''"))
"""The marks that open and close strings of several lines."""

FENCES = (re.compile(rb"^[ \t]*(?:```|~~~)", re.MULTILINE),)
"""Those of code in Markdown."""


def marks_in(lines: Lines, document: int, patterns: Sequence[re.Pattern[bytes]]) -> list[list[int]]:
    """Byte offsets of the marks in a document, ascending, one list for each pattern."""
    start, end = lines.document_start[document : document + 2].tolist()
    # A copy, because a pattern knows the start of a line by what stands before it.
    text = lines.buffer[start:end].tobytes()
    return [[start + mark.start() for mark in pattern.finditer(text)] for pattern in patterns]


def closing(marks: Sequence[Sequence[int]], at: int) -> int | None:
    """Byte offset of the first mark that closes what stands around a place; None in the open.

    Example:
      >>> closing([[10, 90], [20]], 30)
      90
      >>> closing([[10, 90]], 95)
    """
    passed = ((each, bisect.bisect_right(each, at)) for each in marks)
    # An odd mark opens; the last of a document may be left open, or be no mark.
    closes = [each[n] for each, n in passed if n % 2 and n < len(each)]
    return min(closes, default=None)
