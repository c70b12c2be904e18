"""Sessions of an interpreter: player one types after the prompt, the interpreter answers."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.episode import SegmentKind
from transforms.candidates import Candidates
from transforms.cues.family import Content, CueFamily, Episode
from transforms.lines import Lines

GAME = "doctest"
CUE = ">>>"
_PROMPT = r"^[ \t]*(?:>>>|\.\.\.)(?:[ \t][^\n]*)?\s*$"
_PRIMARY = r"^[ \t]*>>>[ \t]+\S"
_PROMPT_BYTES = len(CUE)
# What ends an example's output although no blank line does: the quotes that close a docstring,
# a fence of code. What opens with ">" is no output but quoted mail.
_CLOSERS = (b'"""', b"'''", b"```", b"~~~")
_QUOTE = b">"


class _Example(NamedTuple):
    """One primary prompt with its continuations and its output, as line numbers."""

    first: int
    output: int
    end: int
    """Line after the last; equal to `output` where nothing is printed."""


def find(candidates: Candidates) -> Sequence[Episode]:
    """Sessions in which at least one example has output."""
    lines = candidates.lines
    episodes: list[Episode] = []
    session: list[_Example] = []
    for example in _examples(candidates):
        if session and not _continues(lines, session[-1], example):
            episodes.extend(_episode(lines, session))
            session = []
        session.append(example)
    episodes.extend(_episode(lines, session))
    return episodes


def _examples(candidates: Candidates) -> list[_Example]:
    lines = candidates.lines
    number, text = candidates.matching(_PROMPT)
    primary = text.str.contains(_PRIMARY).to_list()
    blank_after = lines.next_blank(number).tolist()
    document_end = lines.first_line[1:][lines.document_of(number)].tolist()
    numbers = number.tolist()
    examples = []
    i = 0
    while i < len(numbers):
        if not primary[i]:
            i += 1
            continue
        first, last = i, i
        indent = lines.indent[numbers[first]]
        while last + 1 < len(numbers) and _extends(lines, numbers, primary, last, indent):
            last += 1
        i = last + 1
        output = numbers[last] + 1
        following = numbers[i] if i < len(numbers) else output + lines.n_lines
        limit = min(following, blank_after[last], document_end[last])
        end = _output_end(lines, output, limit, indent)
        examples.append(_Example(numbers[first], output, end))
    return examples


def _extends(lines: Lines, numbers: list[int], primary: list[bool], last: int, indent: int) -> bool:
    """Whether the next prompt is a continuation of the same example."""
    following = numbers[last + 1]
    return (
        following == numbers[last] + 1
        and not primary[last + 1]
        and int(lines.indent[following]) == indent
    )


def _output_end(lines: Lines, first: int, limit: int, indent: int) -> int:
    """Line after the output that starts at `first` and goes no further than `limit`."""
    for line in range(first, limit):
        start = int(lines.content_start[line])
        if lines.indent[line] < indent or lines.buffer[start : start + 3].tobytes() in _CLOSERS:
            return line
    return max(first, limit)


def _continues(lines: Lines, before: _Example, after: _Example) -> bool:
    """Whether two examples are of one session: alike indented, nothing but blanks between."""
    between = int(lines.next_filled(before.end - 1))
    same_document = lines.document_of(before.first) == lines.document_of(after.first)
    same_indent = lines.indent[before.first] == lines.indent[after.first]
    return bool(same_document and same_indent and between == after.first)


def _episode(lines: Lines, session: Sequence[_Example]) -> list[Episode]:
    """The session as an episode; none where nothing is printed or mail is quoted."""
    contents: list[Content] = []
    opened = None
    for example in session:
        opened = example.first if opened is None else opened
        if example.output == example.end:
            continue
        typed = _code_start(lines, opened)
        printed = int(lines.start[example.output])
        turn = len(contents)
        contents.append(Content(SegmentKind.QUESTION, turn, typed, printed))
        contents.append(
            Content(SegmentKind.ANSWER, turn + 1, printed, int(lines.start[example.end]))
        )
        opened = None
        if lines.buffer[printed : int(lines.start[example.end])].tobytes().lstrip()[:1] == _QUOTE:
            return []
    if not contents:
        return []
    return [Episode(int(lines.start[session[0].first]), contents[-1].end, tuple(contents), CUE)]


def _code_start(lines: Lines, prompt: int) -> int:
    """Offset of what follows the prompt of a line."""
    start, end = lines.start[prompt : prompt + 2].tolist()
    return int(start + lines.buffer[start:end].tobytes().index(b">>>") + _PROMPT_BYTES)


FAMILY = CueFamily(name=GAME, candidate=_PROMPT, find=find)
