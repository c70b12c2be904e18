"""Thoughts between tags: "<think> ... </think>" reasons, what stands behind it answers.

The tags of models that think aloud, below a question that is labelled or is the paragraph right
above. Tags in quotation marks, back quotes, a program's strings or the middle of a sentence are
spoken of and mark nothing. Tags may nest; the outermost pair counts. A labelled response that is
never closed reasons to its end, or up to a marked final answer; one whose opening tag its prompt
has kept reasons from its beginning.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues import dialogue, label
from transforms.cues.above import line_text, paragraph_above
from transforms.cues.enclosed import STRINGS, closing, marks_in
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import find_final
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "think"

_NAMES = "think|thinking|thought|thoughts|reasoning|rationale|scratchpad|scratch|cot"
_TAGS = LinePattern(rf"</?(?:{_NAMES})>", holds=">")

_TAG = re.compile(rf"<(?P<close>/?)(?P<name>{_NAMES})>")
_QUOTES = "`\"'“”‘’«»"
# A label, a role or a template's token may stand before an opening tag.
_BEFORE_OPEN = re.compile(r"[^.!?\n]{0,60}[:：>\]][ \t*_]*")
# A program writes so.
_ESCAPED = re.compile(r"\\n(?![a-z])")
# "the </think> tag closes" goes on in lower case.
_GOES_ON = re.compile(r"[ \t]+[a-z]|[,;.)]")
_TEMPLATE = r"(?:<\|[^|<>\n]{1,40}\|>|\[/?INST\]|</?s>|<(?:start|end)_of_turn>|\#{1,6} ?|[*_]{1,2})"
_ASKER = re.compile(
    rf"\s*(?:{_TEMPLATE}\s*)*+(?:(?:user|human|prompt|question|instruction|problem|input|q)"
    rf"(?:[*_]{{0,2}}[ \t]*[:：][*_]{{0,2}}|(?:{_TEMPLATE})++|[ \t]*\n))?\s*",
    re.IGNORECASE,
)
_ANSWERER = re.compile(
    rf"(?:^|\n)\s*(?:{_TEMPLATE}\s*)*+(?:(?:assistant|model|ai|bot|response|answer|output|target|a)[*_]{{0,2}}"
    rf"[ \t]*(?:[:：][*_]{{0,2}}|(?:{_TEMPLATE})++)?)?\s*$",
    re.IGNORECASE,
)
_NEXT_TURN = re.compile(
    r"\n[ \t]*(?:[*_]{0,2}(?:user|human)[*_]{0,2}[ \t]*[:：]|<\|(?!/)[^|<>\n]{1,40}\|>|\[INST\])"
    r"|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|<end_of_turn>|</s>",
    re.IGNORECASE,
)
_CLOSING = re.compile(rf"{_TEMPLATE}\s*$")
_MAX_QUESTION_BYTES = 8_000
_HEAD_BYTES = 400
_MAX_LINES = 200
_FENCES = ("```", "~~~")


class _Tag(NamedTuple):
    is_open: bool
    line: int
    start: int
    end: int
    document: int


class _Thoughts(NamedTuple):
    """What stands between two tags: byte offsets of the text, and of the tags around it."""

    opening: int
    start: int
    end: int
    close: int
    line: int
    """The line of the opening tag."""

    last_line: int
    """The line of the closing tag."""

    document: int


def find(candidates: Candidates) -> Sequence[Episode]:
    """Labelled pairs and bare questions whose responses open with thoughts."""
    tags = list(_read_tags(candidates))
    if not tags:
        return []
    lines = candidates.lines
    pairs = [pair for pair in candidates.once(label.find) if len(pair.contents) == 2]
    starts = np.array([tag.start for tag in tags])
    episodes: list[Episode] = []
    labelled = np.zeros(len(tags), np.bool_)
    for pair in pairs:
        low, high = starts.searchsorted([pair.contents[1].start, pair.end]).tolist()
        if low < high:
            labelled[low:high] = True
            episodes.extend(_labelled(lines, pair, tags[low:high]))
    bare = [
        tag for tag, is_labelled in zip(tags, labelled.tolist(), strict=True) if not is_labelled
    ]
    episodes.extend(_sessions(candidates, bare))
    thoughts = sorted([*_outermost(bare), *_left_open(bare)], key=lambda each: each.opening)
    return [*episodes, *_bare(lines, thoughts)]


def _read_tags(candidates: Candidates) -> Iterator[_Tag]:
    """The tags that mark thoughts, in order; not those that are spoken of."""
    lines = candidates.lines
    number, texts = candidates.matching(_TAGS)
    documents = lines.document_of(number).tolist()
    places = zip(number.tolist(), lines.start[number].tolist(), documents, texts, strict=True)
    strings: dict[int, list[list[int]]] = {}
    for line, place, document, text in places:
        seen = 0
        if document not in strings:
            strings[document] = marks_in(lines, document, STRINGS)
        if closing(strings[document], place) is not None:
            candidates.refuse([line], GAME, "in a string of a program")
            continue
        for match in _TAG.finditer(text):
            place += len(text[seen : match.start()].encode())
            seen = match.start()
            if _marks(text, match):
                size = len(match[0])
                yield _Tag(not match["close"], line, place, place + size, document)


def _marks(text: str, tag: re.Match[str]) -> bool:
    before, after = text[max(0, tag.start() - 80) : tag.start()], text[tag.end() : tag.end() + 8]
    is_quoted = (before and before[-1] in _QUOTES) or (after and after[0] in _QUOTES)
    if is_quoted or _ESCAPED.match(after):
        return False
    if tag["close"]:
        return not (before.strip() and before[-1].isspace() and _GOES_ON.match(after))
    return not before.strip() or _BEFORE_OPEN.fullmatch(before) is not None


def _outermost(tags: Sequence[_Tag]) -> Iterator[_Thoughts]:
    """Pairs of tags that stand in no other pair."""
    opened: list[_Tag] = []
    found: list[_Thoughts] = []
    for tag in tags:
        if opened and opened[-1].document != tag.document:
            opened = []
        if tag.is_open:
            opened.append(tag)
        elif opened:
            first = opened.pop()
            while found and found[-1].opening > first.start:
                found.pop()
            found.append(_between(first, tag))
    return iter(found)


def _left_open(tags: Sequence[_Tag]) -> Iterator[_Thoughts]:
    """The tags that open where documents end, as in prompts, with nothing thought."""
    for tag, following in itertools.zip_longest(tags, tags[1:]):
        is_last = following is None or following.document != tag.document
        if is_last and tag.is_open:
            yield _Thoughts(tag.start, tag.end, tag.end, tag.end, tag.line, tag.line, tag.document)


def _between(first: _Tag, last: _Tag) -> _Thoughts:
    return _Thoughts(
        first.start, first.end, last.start, last.end, first.line, last.line, first.document
    )


def _labelled(lines: Lines, pair: Episode, tags: Sequence[_Tag]) -> Iterator[Episode]:
    """A labelled response with its thoughts taken apart.

    Args:
      lines: of all documents.
      pair: question and response.
      tags: those in the response.
    """
    question, response = pair.contents
    start, end = trim(lines.data, response.start, response.end)
    opens_at_start = tags[0].is_open and tags[0].start == start
    closing = [tag for tag in tags if not tag.is_open]
    if opens_at_start:
        whole = next(_outermost(tags), None)
        close = whole.close if whole is not None and whole.opening == start else None
        if close is None and closing:
            close = closing[-1].end
        last = next((tag for tag in closing if tag.end == close), None)
        thoughts = (tags[0].end, end if last is None else last.start)
    elif not tags[0].is_open:
        # The prompt kept the opening tag.
        last, thoughts = tags[0], (start, tags[0].start)
    else:
        return
    episode = Episode(pair.start, pair.end, (question,), "<think>")
    if last is not None and trim(lines.data, last.end, end)[0] < end:
        answer = _unwrapped(lines, *trim(lines.data, last.end, end))
        yield _with_response(episode, thoughts, answer)
        return
    final = find_final(lines, *trim(lines.data, *thoughts))
    if final is not None:
        yield _with_response(episode, (thoughts[0], final.label), (final.start, final.end))
    elif trim(lines.data, *thoughts)[0] < thoughts[1]:
        yield _with_response(episode, thoughts, None)


def _sessions(candidates: Candidates, tags: Sequence[_Tag]) -> Iterator[Episode]:
    """Chats with the thoughts taken apart that open their answers."""
    lines = candidates.lines
    thoughts = {each.opening: each for each in _outermost(tags)}
    for session in candidates.once(dialogue.find):
        contents: list[Content] = []
        for said in session.contents:
            start, end = trim(lines.data, said.start, said.end)
            thought = thoughts.get(start)
            if (
                thought is None
                or said.kind != SegmentKind.ANSWER
                or trim(lines.data, thought.close, end)[0] >= end
            ):
                contents.append(said)
                continue
            contents.append(Content(SegmentKind.REASONING, said.turn, thought.start, thought.end))
            answer = _unwrapped(lines, *trim(lines.data, thought.close, end))
            contents.append(Content(SegmentKind.ANSWER, said.turn, *answer))
        if len(contents) > len(session.contents):
            yield session._replace(contents=tuple(contents))


def _with_response(
    episode: Episode, thoughts: tuple[int, int], answer: tuple[int, int] | None
) -> Episode:
    contents = [*episode.contents, Content(SegmentKind.REASONING, 1, *thoughts)]
    if answer is not None:
        contents.append(Content(SegmentKind.ANSWER, 1, *answer))
    return episode._replace(contents=tuple(contents))


def _unwrapped(lines: Lines, start: int, end: int) -> tuple[int, int]:
    """An answer without the tags <answer> that wrap it, and what stands behind them."""
    head = bytes(lines.data[start : start + len("<answer>")])
    if head != b"<answer>":
        return start, end
    closing = lines.buffer[start:end].tobytes().find(b"</answer>")
    inner = trim(lines.data, start + len(head), end if closing < 0 else start + closing)
    return inner if inner[0] < inner[1] else (start, end)


def _bare(lines: Lines, thoughts: Sequence[_Thoughts]) -> Iterator[Episode]:
    """Thoughts below a paragraph that asks without a label."""
    asked = []
    before: _Thoughts | None = None
    for each in thoughts:
        if before is not None and before.document != each.document:
            before = None
        asked.append(_asked(lines, each, before))
        before = each
    following = [*asked[1:], None]
    for i, (each, question) in enumerate(zip(thoughts, asked, strict=True)):
        if question is None:
            continue
        end = int(lines.document_start[each.document + 1])
        after = following[i]
        if i + 1 < len(thoughts) and thoughts[i + 1].document == each.document:
            # Where thoughts follow without a question of their own, the answer ends before them.
            end = min(end, thoughts[i + 1].opening if after is None else after[0])
        turn = _NEXT_TURN.search(str(lines.data[each.close : end], "utf-8", "ignore"))
        if turn is not None:
            end = each.close + len(turn.string[: turn.start()].encode())
        start, end = trim(lines.data, each.close, end)
        if start >= end or trim(lines.data, each.start, each.end)[0] >= each.end:
            continue
        # What goes on with a closing tag is a part of some other markup.
        if bytes(lines.data[start : start + 2]) == b"</":
            continue
        opening, start_of_question, end_of_question = question
        asks = Content(SegmentKind.QUESTION, 0, start_of_question, end_of_question)
        answer = _unwrapped(lines, start, end)
        episode = Episode(opening, answer[1], (asks,), "<think>")
        yield _with_response(episode, (each.start, each.end), answer)


def _asked(
    lines: Lines, thoughts: _Thoughts, before: _Thoughts | None
) -> tuple[int, int, int] | None:
    """Byte offsets of the question above thoughts: of its label, its start and its end."""
    floor = int(lines.first_line[thoughts.document])
    floor = floor if before is None else before.last_line + 1
    first, last = paragraph_above(lines, thoughts.line, max(floor, thoughts.line - _MAX_LINES))
    # A sample in fenced code is shown, not said.
    if first == last or any(
        line_text(lines, line).lstrip().startswith(_FENCES) for line in range(first, last)
    ):
        return None
    opening, end = int(lines.content_start[first]), int(lines.start[last])
    if before is not None and first == floor:
        # It goes on with the answer before.
        return None
    if end - opening > _MAX_QUESTION_BYTES:
        return None
    text = str(lines.data[opening:end], "utf-8", "ignore")
    answerer = _ANSWERER.search(text, max(0, len(text) - _HEAD_BYTES))
    if answerer is not None and not answerer[0].strip():
        answerer = None
    asked_end = end if answerer is None else opening + len(text[: answerer.start()].encode())
    if not text[: len(text) if answerer is None else answerer.start()].strip():
        # The answerer's label is a paragraph of its own.
        first, last = paragraph_above(lines, first, floor)
        opening, asked_end = int(lines.content_start[first]), int(lines.start[last])
        text = str(lines.data[opening:asked_end], "utf-8", "ignore")
    if first == last or (answerer is None and text.rstrip().endswith((":", "："))):
        return None
    asker = _ASKER.match(text)
    start = opening if asker is None else opening + len(asker[0].encode())
    closing = _CLOSING.search(str(lines.data[start:asked_end], "utf-8", "ignore"))
    if closing is not None:
        asked_end -= len(closing[0].encode())
    return (opening, start, asked_end) if start < asked_end else None


FAMILY = CueFamily(name=GAME, find=find)
