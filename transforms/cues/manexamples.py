"""Examples of a manual page: a sentence says what is to be done, the command below it does it.

Only in the section of examples of a page that names its program, only where the sentence ends with
a colon and every line below is a command: one behind a prompt, or of the program itself. A command
with what it prints is a session, which other families find.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import CueFamily, Episode, pair
from transforms.cues.prompts import line_bytes
from transforms.cues.sessions import in_examples
from transforms.lines import Lines

GAME = "manual"
CUE = "EXAMPLES"
_NAME = LinePattern(r"^NAME\s*$", opens=("NAME",))
_LEAD = r"^[ \t]{2,}[\p{L}(`'\"•*+\d-][^\n]*:\s*$"
_NAMED = re.compile(rb"\s*(?P<name>[\w.+]++)[\w.+-]*+(?:\(\d\w*\))?(?:,| -| \xe2\x80)")
_BULLET = re.compile(rb"[ \t]*(?:\xe2\x80\xa2|[*+o-]|\(?\d{1,2}[.)])[ \t]+")
_GOES_ON = re.compile(rb"(?:\\|\||&&)\s*\Z")
_MAX_LINES = 12
_NO_EXAMPLE = "a sentence's rest, or no command of the page's program below it"


def find(candidates: Candidates) -> Sequence[Episode]:
    """What is to be done and the commands that do it."""
    lines = candidates.lines
    names = _names(candidates)
    if not names:
        return []
    pages = np.isin(lines.document_of(lines.filled), list(names))
    number, _ = candidates.among(lines.filled[pages], _LEAD)
    number = number[in_examples(lines, number)]
    episodes = []
    for line, document in zip(number.tolist(), lines.document_of(number).tolist(), strict=True):
        found = list(_example(lines, line, names[document]))
        if not found:
            candidates.refuse([line], GAME, _NO_EXAMPLE)
        episodes.extend(found)
    return episodes


def _names(candidates: Candidates) -> dict[int, re.Pattern[bytes]]:
    """By document: how its commands start, behind a prompt or with the program's name."""
    lines = candidates.lines
    headings, _ = candidates.matching(_NAME)
    below = lines.next_filled(headings)
    names = {}
    for document, line in zip(lines.document_of(headings).tolist(), below.tolist(), strict=True):
        is_inside = line < lines.first_line[document + 1]
        match = _NAMED.match(line_bytes(lines, line)) if is_inside else None
        if match is not None:
            name = re.escape(match["name"])
            names[document] = re.compile(
                rb"[ \t]*(?:(?P<prompt>[$#%%]) \S|(?:sudo )?%b[-\s])" % name
            )
    return names


def _example(lines: Lines, line: int, command: re.Pattern[bytes]) -> Iterator[Episode]:
    """The paragraph that a line closes and the commands below it, if there are any."""
    end = _commands_end(lines, line, command)
    if end is None:
        return
    first = _paragraph_start(lines, line)
    start = int(lines.start[first])
    bullet = _BULLET.match(line_bytes(lines, first))
    asked = start + (bullet.end() if bullet is not None else 0)
    # A paragraph that goes on with a sentence does not say what is to be done.
    if lines.buffer[asked : int(lines.start[line + 1])].tobytes().lstrip()[:1].islower():
        return
    body = int(lines.start[line + 1])
    yield pair((asked, body), (body, int(lines.start[end])), start=start, cue=CUE)


def _commands_end(lines: Lines, line: int, command: re.Pattern[bytes]) -> int | None:
    """Line after the commands below a line; None where something else stands there."""
    first = lines.filled_after(line)
    document_end = int(lines.first_line[int(lines.document_of(np.array([line]))[0]) + 1])
    limit = min(first + _MAX_LINES, document_end)
    if first > line + 2 or first >= limit or lines.indent[first] <= lines.indent[line]:
        return None
    goes_on, end = False, first
    prompt: bytes | None = None
    while end < limit and not lines.is_blank[end] and lines.indent[end] >= lines.indent[first]:
        text = line_bytes(lines, end)
        match = None if goes_on else command.match(text)
        # Where the first stands behind a prompt, what stands behind none is printed.
        if not goes_on and (match is None or (end > first and match["prompt"] != prompt)):
            return None
        prompt = prompt if match is None else match["prompt"]
        goes_on = _GOES_ON.search(text) is not None
        end += 1
    # What stands below, as deep as the commands, was printed by them.
    following = lines.filled_after(end - 1)
    is_printed = following < document_end and lines.indent[following] >= lines.indent[first]
    return None if is_printed else end


def _paragraph_start(lines: Lines, line: int) -> int:
    """First line of the paragraph, or of the bullet's text, that a line closes."""
    first = line
    while (
        line - first < _MAX_LINES
        and not _is_bullet(lines, first)
        and not lines.opens[first]
        and (lines.indent[first - 1] == lines.indent[line] or _is_bullet(lines, first - 1))
    ):
        first -= 1
    return first


def _is_bullet(lines: Lines, line: int) -> bool:
    return _BULLET.match(line_bytes(lines, line)) is not None


FAMILY = CueFamily(name=GAME, find=find)
