"""What stands above a line: its text and the paragraphs, read upwards from a mark.

Each reading is bounded, so that a line of many megabytes or a run of marks costs no more than any.
"""

from transforms.lines import Lines

MAX_LINE_BYTES = 4_000
"""So much of a line is read."""


def line_text(lines: Lines, line: int) -> str:
    """A line without white space at its end; no more than its first MAX_LINE_BYTES."""
    start = int(lines.start[line])
    end = min(int(lines.start[line + 1]), start + MAX_LINE_BYTES)
    return str(lines.data[start:end], "utf-8", "ignore").rstrip()


def line_tail(lines: Lines, line: int) -> str:
    """The end of a line without white space; no more than its last MAX_LINE_BYTES."""
    end = int(lines.start[line + 1])
    start = max(int(lines.start[line]), end - MAX_LINE_BYTES)
    return str(lines.data[start:end], "utf-8", "ignore").rstrip()


def paragraph_above(lines: Lines, line: int, floor: int) -> tuple[int, int]:
    """The lines [first, last) that stand together above a line, blank lines between left out.

    Args:
      lines: of all documents.
      line: the line that they stand above.
      floor: the first line that may be read.
    """
    last = line
    while last > floor and lines.is_blank[last - 1]:
        last -= 1
    first = last
    while first > floor and not lines.is_blank[first - 1]:
        first -= 1
    return first, last
