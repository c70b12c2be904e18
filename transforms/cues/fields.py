r"""Records whose fields ask, reason and answer: members of JSON, items of YAML, elements of XML.

`{"question": "Why?", "answer": "So."}`, also as a dictionary of Python; `- question: Why?` with
`answer: So.` below it; `<question>Why?</question><answer>So.</answer>`. Fields are called as labels
are. The context that opens an item of YAML is the question's. A record of "input" and "target"
counts only if it reasons, because many others are called that. What a field holds is read as it
stands, with its escapes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import read_final
from transforms.cues.words import ANSWERS, ASKS, THINKING, longest_first
from transforms.episodes import trim

GAME = "fields"

_COMMON = "input"
_GIVEN = ("context", "passage")
_ANSWERS_COMMON = frozenset(["target", "output"])
_ASKING = frozenset(word for word in ASKS if len(word) > 1 or word == "q") | {_COMMON}
_ASK = longest_first(_ASKING).replace(r"\ ", "[ _-]")
_MEMBERS = LinePattern(
    rf"(?i:^[ \t]*(?:[{{\[(,\"'].*)?[\"'](?:{_ASK})[\"'][ \t]*:[ \t]*[\"'])",
    opens="{[(,\"'",
    holds=(":", "\"'"),
)
_ITEMS = LinePattern(
    rf"(?i:^[ \t]*-[ \t]+[\"']?(?:{_ASK}|{'|'.join(_GIVEN)})[\"']?[ \t]*:[ \t\r\n])",
    opens="-",
    holds=":",
)
# In TOML, and nowhere but for questions: programs assign to all other words.
_ASKS_IN_TOML = ("question", "q", "frage", "pregunta", "pergunta", "domanda", "vraag", "вопрос")
_ASSIGNED = LinePattern(
    rf"(?i:^[ \t]*(?:{'|'.join(_ASKS_IN_TOML)})[ \t]*=[ \t]*[\"'])",
    words=_ASKS_IN_TOML,
    holds="\"'",
)
_ELEMENTS = LinePattern(rf"(?i:^[ \t]*<(?:.*<)?(?:{_ASK})(?:[ \t][^<>]*)?>)", opens="<", holds=">")

_MEMBER = re.compile(
    r"""[\s,]*(?P<quote>["'])(?P<name>[^"'\\\n]{1,40})(?P=quote)\s*:\s*
    (?:\"{3}(?P<long>(?:(?!\"{3}).)*+)\"{3}|"(?P<double>(?:[^"\\\n]|\\.)*+)"
    |'(?P<single>(?:[^'\\\n]|\\.)*+)'|[^"'{}\[\],\s]++|\[[^\[\]{}]*+\])""",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(
    r"""[ \t]*(?P<name>[^\W\d][\w-]{0,39})[ \t]*=[ \t]*
    (?:\"{3}(?P<long>(?:(?!\"{3}).)*+)\"{3}|"(?P<double>(?:[^"\\\n]|\\.)*+)"|'(?P<single>[^'\n]*+)'
    |[^"'\s\#][^\n]*+)[ \t]*(?:\#[^\n]*+)?(?:\r?\n\s*|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ITEM = re.compile(
    r"(?P<indent>[ \t]*(?:-[ \t]+)?)[\"']?(?P<name>[^\W\d][\w -]{0,39})[\"']?[ \t]*:"
    r"(?:[ \t]+(?:[|>][-+\d]*[ \t]*$)?|$)"
)
_ELEMENT = re.compile(
    r"\s*<(?P<name>[^\W\d][\w-]{0,39})(?:\s[^<>]*)?>"
    r"(?P<value>[^<]*+(?:<(?!/?(?P=name)\b)[^<]*+)*+)</(?P=name)>",
    re.IGNORECASE,
)
_QUALITY = re.compile(r"(?:final|correct|gold|best) ")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# Of the same length, so that offsets hold.
_ESCAPED_WHITE = {"n": " \n", "r": "  ", "t": " \t"}
_OPENS_RECORD = re.compile(r"\{\s*$")
_CLOSES_RECORD = re.compile(r"\s*+(?:,\s*+)?\}")
_MAX_RECORD_BYTES = 20_000
_MAX_OPENING = 40


class _Field(NamedTuple):
    """A field by the characters of its record: its name, its value and where it ends."""

    name: str
    start: int
    end: int
    after: int


class _Form(NamedTuple):
    """How records are written.

    Attributes:
      candidates: lines that may ask.
      asks: where records start in such a line.
      read: the fields of a text that starts with a record.
      is_escaped: whether ends of lines have escapes.
    """

    candidates: LinePattern
    asks: re.Pattern[str]
    read: Callable[[str], Iterator[_Field]]
    is_escaped: bool = False


def find(candidates: Candidates) -> Sequence[Episode]:
    """Records with a question and what answers it."""
    return [episode for form in _FORMS for episode in _find(candidates, form)]


def _find(candidates: Candidates, form: _Form) -> Iterator[Episode]:
    data = candidates.lines.data
    done = 0
    for floor, start, limit in _ranges(candidates, form):
        if start < done:
            continue
        text = str(data[start:limit], "utf-8", "ignore")
        fields = list(form.read(text))
        contents = _contents(_unescaped(text) if form.is_escaped else text, fields)
        if contents is None:
            continue
        before = str(data[max(floor, start - _MAX_OPENING) : start], "utf-8", "ignore")
        opened = _OPENS_RECORD.search(before)
        last = max(field.after for field in fields if field.start <= contents[-1].start)
        closed = _CLOSES_RECORD.match(text, last)
        done = start + _size(text, last if closed is None else closed.end())
        opening = start - (0 if opened is None else len(opened[0].encode()))
        within = (
            each._replace(start=start + _size(text, each.start), end=start + _size(text, each.end))
            for each in contents
        )
        yield Episode(trim(data, opening, done)[0], done, tuple(within), fields[0].name)


def _size(text: str, at: int) -> int:
    return len(text[:at].encode())


def _ranges(candidates: Candidates, form: _Form) -> Iterator[tuple[int, int, int]]:
    """Byte offsets for each question's field: its document's start, its own, where to read to."""
    lines = candidates.lines
    number, texts = candidates.matching(form.candidates)
    asking = []
    for place, text in zip(lines.start[number].tolist(), texts, strict=True):
        seen = 0
        for found in form.asks.finditer(text):
            place += len(text[seen : found.start()].encode())
            seen = found.start()
            asking.append((place, _COMMON in found[0].casefold()))
    starts = np.array([start for start, _ in asking], np.int64)
    documents = lines.document_start.searchsorted(starts, side="right")
    floors = lines.document_start[documents - 1].tolist()
    limits = np.minimum(lines.document_start[documents], starts + _MAX_RECORD_BYTES).tolist()
    # A record asks once, so that no text is read for two; an instruction may have its input.
    asks_next = any_next = len(lines.data)
    for i in range(len(asking) - 1, -1, -1):
        start, is_input = asking[i]
        limits[i] = min(limits[i], any_next if is_input else asks_next)
        any_next, asks_next = start, asks_next if is_input else start
    yield from zip(floors, starts.tolist(), limits, strict=True)


def _read_members(text: str, member: re.Pattern[str] = _MEMBER) -> Iterator[_Field]:
    found = member.match(text)
    while found is not None:
        for kind in ("long", "double", "single"):
            if found[kind] is not None:
                yield _Field(found["name"], *found.span(kind), found.end())
        found = member.match(text, found.end())


def _read_assignments(text: str) -> Iterator[_Field]:
    # What closes the line is no part of the record.
    for field in _read_members(text, _ASSIGNMENT):
        yield field._replace(after=field.end + len(text[field.end : field.end + 3].split("\n")[0]))


def _read_items(text: str) -> Iterator[_Field]:
    """Keys that stand in one column, each with what is deeper below it."""
    at, column = 0, -1
    name, start, end = "", 0, 0
    for line in text.splitlines(keepends=True):
        found = _ITEM.match(line.rstrip())
        indent = len(line) - len(line.lstrip(" \t"))
        if found is not None and (column < 0 or indent == column == len(found["indent"])):
            if column >= 0:
                yield _item(text, name, start, end)
            column = len(found["indent"])
            name, start = found["name"], at + found.end()
        elif line.strip() and indent <= column:
            break
        at += len(line)
        end = at
    if column >= 0:
        yield _item(text, name, start, end)


def _item(text: str, name: str, start: int, end: int) -> _Field:
    """An item's value without its quotation marks."""
    value = text[start:end].strip()
    start += len(text[start:end]) - len(text[start:end].lstrip())
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    after = start + len(value)
    return _Field(name, start + is_quoted, after - is_quoted, after)


def _read_elements(text: str) -> Iterator[_Field]:
    found = _ELEMENT.match(text)
    while found is not None:
        yield _Field(found["name"], *found.span("value"), found.end())
        found = _ELEMENT.match(text, found.end())


def _word(name: str) -> str:
    """A field's name as words are spelled."""
    word = name.casefold().replace("_", " ").replace("-", " ").strip()
    return _QUALITY.sub("", word, count=1)


def _unescaped(text: str) -> str:
    """A text of the same length with ends of lines for their escapes."""
    return _ESCAPE.sub(lambda found: _ESCAPED_WHITE.get(found[1], found[0]), text)


def _contents(text: str, fields: Sequence[_Field]) -> list[Content] | None:
    """Question, reasoning and answer in characters of a record's text; None without an answer.

    What reasons may stand below the answer. Without such a field the answer may be worked.
    """
    filled = [field for field in fields if text[field.start : field.end].strip()]
    if not filled or filled[0] != fields[0]:
        return None
    asked, *others = filled
    if others and _word(asked.name) in _GIVEN and _word(others[0].name) in ASKS:
        asked = others.pop(0)._replace(start=asked.start)
    if others and _word(others[0].name) == _COMMON:
        asked = asked._replace(end=others.pop(0).end)
    word = _word(asked.name)
    pairs = ASKS.get(word, frozenset())
    thought = next((field for field in others if _word(field.name) in THINKING), None)
    answered = next((each for each in others if _answers(pairs, _word(each.name))), thought)
    if answered is None:
        return None
    contents = [Content(SegmentKind.ANSWER, 1, answered.start, answered.end)]
    if thought is not None and thought is not answered:
        contents.append(Content(SegmentKind.REASONING, 1, thought.start, thought.end))
    else:
        contents = _worked(text, answered)
    if len(contents) == 1 and (word == _COMMON or answered is thought):
        return None
    contents.append(Content(SegmentKind.QUESTION, 0, asked.start, asked.end))
    return sorted((_trimmed(text, each) for each in contents), key=lambda each: each.start)


def _answers(pairs: frozenset[int], word: str) -> bool:
    is_common = word in _ANSWERS_COMMON
    return word not in THINKING and (is_common or bool(pairs & ANSWERS.get(word, frozenset())))


def _worked(text: str, field: _Field) -> list[Content]:
    """A field's value, parted where its steps end in a final answer."""
    value = text[field.start : field.end].rstrip()
    final = read_final(value)
    if final is None or not value[: final.label].strip():
        return [Content(SegmentKind.ANSWER, 1, field.start, field.end)]
    at = field.start
    return [
        Content(SegmentKind.REASONING, 1, at, at + final.label),
        Content(SegmentKind.ANSWER, 1, at + final.start, at + final.end),
    ]


def _trimmed(text: str, content: Content) -> Content:
    held = text[content.start : content.end]
    start = content.start + len(held) - len(held.lstrip())
    return content._replace(start=start, end=start + len(held.strip()))


_FORMS = (
    _Form(
        _MEMBERS,
        re.compile(rf"[\"'](?:{_ASK})[\"'][ \t]*:[ \t]*[\"']", re.IGNORECASE),
        _read_members,
        is_escaped=True,
    ),
    _Form(_ITEMS, re.compile("^"), _read_items),
    _Form(_ASSIGNED, re.compile("^"), _read_assignments, is_escaped=True),
    _Form(_ELEMENTS, re.compile(rf"<(?:{_ASK})(?:[ \t][^<>]*)?>", re.IGNORECASE), _read_elements),
)

FAMILY = CueFamily(name=GAME, find=find)
