"""Options of a multiple choice: runs of lines that count from A, a or 1, or several in a line."""

import re

from transforms.cues.above import line_text
from transforms.lines import Lines

# "-a" and "a" alone are an option of a program and a word.
OPTION = re.compile(
    r"(?P<lead>^[ \t>]*(?:[-*•+][ \t]+)?[*_]{0,2}|[ \t])(?:[(\[（](?P<in>[A-Ja-j1-9])[)\]）]"
    r"|(?P<bare>[A-Ja-j1-9])[.):．、][*_]{0,2}(?=[ \t]|[^\x00-\x7f]|$))"
)
# What opens the response below options: a label of one or two words.
LABEL = re.compile(
    r"[ \t]*[*_]{0,2}[^\W\d_]{1,16}(?: [^\W\d_]{1,16})?[*_]{0,2}[ \t]*[:：][*_]{0,2}"
)
# What stands above options; then dashes are marks enough.
_TITLE = re.compile(r"[ \t]*[*_]{0,2}(?:answer )?(?:options|choices)[*_]{0,2}[:：]?[*_]{0,2}", re.I)
_DASH = re.compile(r"[ \t]*[-*•][ \t]+\S")
# An option may go on over so many lines.
_MAX_BETWEEN = 3
_MIN_OPTIONS = 2
_MAX_LINES = 60


def place(mark: str) -> int:
    """0 for A, a and 1."""
    return int(mark) - 1 if mark.isdigit() else ord(mark.casefold()) - ord("a")


def options_above(
    lines: Lines, key: int, floor: int, *, is_numbered: bool, may_be_far: bool
) -> tuple[int, int, int] | None:
    """First and last line of the options above a key, and how many there are.

    Args:
      lines: of all documents.
      key: the key's line.
      floor: the first line that may be read.
      is_numbered: whether they count from 1, not from A.
      may_be_far: whether more than a few lines may stand between the options and the key.
    """
    first, last, n_options, n_other = key, -1, 0, 0
    expected: int | None = None
    for line in range(key - 1, floor - 1, -1):
        if n_other > _MAX_BETWEEN and not (last < 0 and may_be_far):
            return None
        text = line_text(lines, line)
        found = [
            match
            for match in OPTION.finditer(text)
            if (match["in"] or match["bare"]).isdigit() == is_numbered
        ]
        n_other += bool(text)
        marks = [place(match["in"] or match["bare"]) for match in found]
        if not found or marks != list(range(marks[0], marks[0] + len(marks))):
            continue
        # Several in a line may follow the stem; one alone opens its line.
        if found[0]["lead"].strip(" \t>-*•+_") or (found[0].start() > 0 and len(found) < 2):
            continue
        if expected is not None and marks[-1] != expected - 1:
            continue
        last, n_other = (line if last < 0 else last), 0
        n_options += len(marks)
        first, expected = line, marks[0]
        if expected == 0:
            return (first, last, n_options) if n_options >= _MIN_OPTIONS else None
    return None


def options_below(lines: Lines, start: int, end: int) -> tuple[int, int] | None:
    """Byte offsets of the end of the options at the start of a text, and of what follows them.

    A label between the two, such as "Answer:", belongs to neither.

    Args:
      lines: of all documents.
      start: byte offset of the text, at the start of a line.
      end: byte offset of its end.
    """
    first = int(lines.start.searchsorted(start))
    last = int(lines.start.searchsorted(end))
    expected, options_end = 0, first
    is_titled = _TITLE.fullmatch(line_text(lines, first)) is not None
    first += is_titled
    for line in range(first, min(last, first + _MAX_LINES)):
        if lines.is_blank[line]:
            continue
        text = line_text(lines, line)
        match = OPTION.match(text)
        found = -1 if match is None else place(match["in"] or match["bare"])
        if found == expected or (is_titled and _DASH.match(text)):
            expected, options_end = expected + 1, line + 1
        elif not expected or line - options_end >= _MAX_BETWEEN or LABEL.match(text):
            break
    if expected < _MIN_OPTIONS or options_end >= last:
        return None
    below = lines.filled_after(options_end - 1)
    opened = LABEL.match(line_text(lines, below)) if below < last else None
    size = 0 if opened is None else len(opened[0].encode())
    return int(lines.start[options_end]), int(lines.start[min(below, last)]) + size
