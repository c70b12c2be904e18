"""Sessions of an interpreter: player one types after the prompt, the interpreter answers."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.typed_code import TypedCode
from transforms.lines import Bools, Lines

GAME = "doctest"
CUE = ">>>"
_PROMPT = LinePattern(r"^[ \t]*(?:>>>|\.\.\.)(?:[ \t][^\n]*)?\s*$", opens=">.")
_PRIMARY = r"^[ \t]*>>>[ \t]+\S"
_CHEVRONS = r"^[ \t]*>>>"
_PROMPT_BYTES = len(CUE)
# What ends an example's output although no blank line does: the quotes that close a docstring,
# a fence of code. What opens with ">" is no output but quoted mail.
_CLOSERS = (b'"""', b"'''", b"```", b"~~~")
_QUOTE = b">"
_CONTINUATION = re.compile(rb"[ \t]*\.\.\.(?:[ \t]|\s*\Z)")
# What a person writes between prompts; a header or a table that is printed looks otherwise.
_COMMENT = re.compile(rb"[ \t]*#+[ \t]+[A-Za-z][a-z]*[ \t]+[A-Za-z]")
_CLAUSE = re.compile(rb"[ \t]*(?:elif|else|except|finally)\b[^\n]*:\s*\Z")


class _Example(NamedTuple):
    """One primary prompt with its continuations and its output, as line numbers."""

    first: int
    output: int
    """Line after the last that was typed, prompted or not."""

    end: int
    """Line after the last printed; equal to `output` where nothing is printed."""


def find(candidates: Candidates) -> Sequence[Episode]:
    """Sessions in which at least one example has output."""
    lines = candidates.lines
    examples = _examples(candidates)
    opens = _opens_session(candidates, examples)
    starts = [*np.flatnonzero(opens).tolist(), len(examples)]
    episodes = []
    for low, high in itertools.pairwise(starts):
        found = _episode(lines, examples[low:high])
        if not found:
            candidates.refuse([examples[low].first], GAME, "nothing is printed, or mail is quoted")
        episodes.extend(found)
    return episodes


def _opens_session(candidates: Candidates, examples: Sequence[_Example]) -> Bools:
    """Bool [n], whether each example starts a session.

    It goes on with the session before when it is alike indented and only blanks, or prompts at
    which nothing was typed, stand between.
    """
    lines = candidates.lines
    first = np.array([example.first for example in examples], np.int64)
    end = np.array([example.end for example in examples], np.int64)
    opens = np.ones(len(examples), np.bool_)
    number, text = candidates.matching(_PROMPT)
    idle = number[(text.str.contains(_CHEVRONS) & ~text.str.contains(_PRIMARY)).to_numpy()]
    said = np.append(lines.filled[~np.isin(lines.filled, idle)], lines.n_lines)
    documents, indent = lines.document_of(first), lines.indent[first]
    continues = (
        (documents[1:] == documents[:-1])
        & (indent[1:] == indent[:-1])
        & (said[np.searchsorted(said, end[:-1])] == first[1:])
    )
    opens[1:] = ~continues
    return opens


def _examples(candidates: Candidates) -> list[_Example]:
    lines = candidates.lines
    number, text = candidates.matching(_PROMPT)
    primary = text.str.contains(_PRIMARY).to_list()
    blank_after = lines.next_blank(number).tolist()
    document_end = lines.first_line[1:][lines.document_of(number)].tolist()
    numbers = number.tolist()
    # Output may hold lines of dots, such as the middle of a traceback: only a new prompt ends it.
    chevrons = np.append(number[text.str.contains(_CHEVRONS).to_numpy()], lines.n_lines)
    following = chevrons[np.searchsorted(chevrons, number, side="right")].tolist()
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
        limit = min(following[last], blank_after[last], document_end[last])
        if output < limit:
            output = _typed_end(lines, numbers[first], output, limit)
        end = _output_end(lines, output, limit, indent)
        if output < end and _is_comment(lines, output, end):
            output = end
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


def _typed_end(lines: Lines, first: int, after_prompts: int, limit: int) -> int:
    """Line after the last that was typed, which may go on without prompts, or with others.

    Args:
      lines: of all documents.
      first: the line of the primary prompt.
      after_prompts: the line after its continuations.
      limit: where the example ends at the latest.
    """
    code, indent = TypedCode(), int(lines.indent[first])
    for line in range(first, after_prompts):
        code.read(_without_prompt(_line(lines, line)))
    # Lines at least so deep are the body of a block that was typed without prompts.
    margin = None
    for line in range(after_prompts, limit):
        text, line_indent = _line(lines, line), int(lines.indent[line])
        if _CONTINUATION.match(text) and (code.in_block or not code.is_complete):
            code.read(_without_prompt(text))
            continue
        if code.is_complete:
            if margin is None or (line_indent < margin and not _CLAUSE.match(text)):
                return line
        elif line_indent < indent or (_closes(text) and not code.in_string):
            return line
        elif code.awaits_body and margin is None:
            margin = min(line_indent, indent + _PROMPT_BYTES + 1)
        code.read(text)
    return limit


def _line(lines: Lines, line: int) -> bytes:
    """The text of a line, with its newline."""
    return lines.buffer[lines.start[line] : lines.start[line + 1]].tobytes()


def _without_prompt(text: bytes) -> bytes:
    return text.lstrip(b" \t")[_PROMPT_BYTES:]


def _closes(text: bytes) -> bool:
    """Whether a line closes what surrounds the session."""
    return text.lstrip(b" \t").startswith(_CLOSERS)


def _output_end(lines: Lines, first: int, limit: int, indent: int) -> int:
    """Line after the output that starts at `first` and goes no further than `limit`."""
    for line in range(first, limit):
        start = int(lines.content_start[line])
        if lines.indent[line] < indent or lines.buffer[start : start + 3].tobytes() in _CLOSERS:
            return line
    return max(first, limit)


def _is_comment(lines: Lines, first: int, end: int) -> bool:
    """Whether lines below a prompt are nothing but comments, which nobody prints."""
    if not _COMMENT.match(_line(lines, first)):
        return False
    return all(_line(lines, line).lstrip().startswith(b"#") for line in range(first, end))


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


FAMILY = CueFamily(name=GAME, find=find)
