"""Multiple choice: a stem with its options asks, the key answers, an explanation reasons.

A key ("Answer: C", "The correct option is (b).") is one only below a run of options that counts
from A or 1 up to the key's letter at least: that tells it from any other line about an answer. The
stem is the paragraph above the options, or goes up to the number or label that opens it. What
explains the key stands below or above it. Questions and answers that both have labels are left to
`label`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues import fields, heading, label
from transforms.cues.above import line_text, paragraph_above
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import without_stop
from transforms.cues.labels import read_labels
from transforms.cues.options import LABEL, OPTION, options_above, place
from transforms.cues.speakers import BREAK
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "choice"

_KEY_WORDS = (
    r"(?:(?:the )?(?:(?:correct|right|best|final) )?(?:answer|ans|key|solution|antwort|lösung"
    r"|respuesta|réponse|resposta|risposta|ответ|odpowiedź|cevap|答案|正确答案|正解|정답)"
    r"|(?:the )?(?:correct|right|best) (?:choice|option|alternative))"
    r"(?: correcta?| correcte?| corretta)?(?: key)?"
    r"[*_]{0,2}[ \t]*(?:[.:：=][*_]{0,2}|(?:is|ist|es|est|é|è)\b:?)"
)
_KEY_OPENINGS = (
    "the|correct|right|best|final|answer|ans|key|solution|antwort|lösung|respuesta|réponse|resposta"
    "|risposta|ответ|odpowiedź|cevap|答案|正确答案|正解|정답"
)
_MARK = r"(?:option |choice )?[*_]{0,2}[(\[（]?"
_KEYS = LinePattern(
    rf"(?i:^[ \t]*(?:>[ \t])?[*_#]{{0,4}}[ \t]?{_KEY_WORDS}[ \t]*{_MARK}[a-j1-9]"
    r"(?:[^\p{L}\p{N}]|$))",
    words=tuple(_KEY_OPENINGS.split("|")),
)

# "Answer: A list of facts" is none.
_KEY = re.compile(
    rf"[ \t]*(?:>[ \t])?[*_#]{{0,4}}[ \t]?{_KEY_WORDS}[ \t]*"
    rf"(?P<answer>{_MARK}(?P<mark>[a-j1-9])"
    r"(?:[)\]）.:,;*_]|[ \t]*$|[ \t]*[-–—(]|[ \t]+because\b).*)",
    re.IGNORECASE,
)
# "B. Paris" is the option; a sentence that does not end in the line explains.
_GOES_ON = re.compile(
    rf"(?P<key>{_MARK}[a-j1-9][)\]）]?[*_]{{0,2}}[.:,;]?)[ \t]+\S.*[^.!?。\s]\s*$", re.IGNORECASE
)
# "1. Lima; 2. Picasso" are answers to several questions.
_COUNTS_ON = re.compile(r"[*_(\[（]*1([.):\]）])[ \t].*?[ \t][(\[（]?2\1[ \t]+\S")
_EXPLAINS = re.compile(
    r"[ \t>]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:detailed |brief )?(?:explanations?|rationale"
    r"|reason(?:ing)?|justification|why|solution|feedback|erklärung|begründung|explication|explicación|explicação"
    r"|spiegazione|пояснение|объяснение|解析|解説|해설)[*_]{0,2}[ \t]*[:：][*_]{0,2}[ \t]*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"[ \t>]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:(?:question|problem|item|q|frage|pregunta|questão|вопрос)"
    r"[ \t]*)?[(\[#]?(?P<number>\d{1,4})[.):\]：][*_]{0,2}[ \t]*(?=\S|$)",
    re.IGNORECASE,
)
# A letter that the stem's label may be too.
_OPTION_LETTER = re.compile(r"[ \t>]*(?:[(\[（][A-J][)\]）]|[A-J][.)])")
# A question in YAML.
_FIELD = re.compile(r"[ \t]*(?:-[ \t]+)?(?:question|input|problem):[ \t]*[|>\"']?[ \t]*(?=\S|$)")
_MAX_LINES = 60
_MAX_PARAGRAPHS = 6
_MAX_STEM_BYTES = 6_000


class _Item(NamedTuple):
    """A stem, its options and its key, as lines.

    Attributes:
      document: ordinal of its document.
      first: the stem's first line.
      asked: byte offset of the stem, past its number.
      options_end: the line after the last option's.
      explained: the line of an explanation above the key; None without one.
      key: the key's line.
      answer: byte offsets of the answer.
      reason: byte offset of what explains in the key's line and goes on below; None without it.
    """

    document: int
    first: int
    asked: int
    options_end: int
    explained: int | None
    key: int
    answer: tuple[int, int]
    reason: int | None


def find(candidates: Candidates) -> Sequence[Episode]:
    """Stems whose key stands below their options."""
    items = list(_items(candidates))
    if not items:
        return []
    lines = candidates.lines
    breaks, _ = candidates.matching(BREAK)
    headings = np.array([each.first_line for each in candidates.outline], np.int64)
    stops = np.sort(np.concatenate([breaks, headings]))
    # Where a stem is a question in a line of its own, its section ends the last explanation.
    sections = {pair.start: pair.end for pair in candidates.once(heading.find)}
    episodes = []
    for item, following in zip(items, [*items[1:], None], strict=True):
        is_followed = following is not None and following.document == item.document
        limit = following.first if following is not None and is_followed else None
        section = sections.get(int(lines.content_start[item.first]))
        if limit is None and section is not None:
            limit = int(np.searchsorted(lines.start, section))
        episodes.append(_episode(lines, item, limit, stops))
    return episodes


def _items(candidates: Candidates) -> Iterator[_Item]:
    lines = candidates.lines
    keys, texts = candidates.matching(_KEYS)
    if len(keys) == 0:
        return
    answered = _answered_lines(candidates)
    asks = {found.line: found.end for found in candidates.once(read_labels) if found.asks}
    documents = lines.document_of(keys)
    floors = np.maximum(lines.first_line[documents], np.append(0, keys[:-1] + 1)[: len(keys)])
    for key, text, document, floor in zip(
        keys.tolist(), texts, documents.tolist(), floors.tolist(), strict=True
    ):
        match = _KEY.match(text[:_MAX_STEM_BYTES].rstrip())
        if match is None or key in answered or _COUNTS_ON.match(match["answer"]):
            continue
        floor = max(floor, key - _MAX_LINES)
        is_explained = any(_EXPLAINS.match(line_text(lines, line)) for line in range(floor, key))
        run = options_above(
            lines, key, floor, is_numbered=match["mark"].isdigit(), may_be_far=is_explained
        )
        if run is None:
            continue
        first_option, last_option, n_options = run
        if not place(match["mark"]) < n_options:
            continue
        stem = _stem(lines, first_option, floor, asks)
        if stem is None or int(lines.start[key]) - stem[1] > _MAX_STEM_BYTES:
            continue
        options_end, explained = _options_end(lines, last_option, key)
        start = int(lines.start[key]) + len(text[: match.start("answer")].encode())
        end = start + len(without_stop(match["answer"]).encode())
        goes_on = _GOES_ON.match(match["answer"])
        reason = None if goes_on is None else start + len(goes_on["key"].encode())
        yield _Item(document, *stem, options_end, explained, key, (start, end), reason)


def _answered_lines(candidates: Candidates) -> frozenset[int]:
    """The lines in which a label or a field answers a question that has one too."""
    lines = candidates.lines
    starts = [pair.contents[1].start for pair in candidates.once(label.find)]
    starts += [each.start for record in candidates.once(fields.find) for each in record.contents]
    at = np.searchsorted(lines.start, np.array(starts, np.int64), side="right") - 1
    return frozenset(at.tolist())


def _stem(
    lines: Lines, first_option: int, floor: int, asks: dict[int, int]
) -> tuple[int, int] | None:
    """The line that opens a stem, and the byte offset of what it asks."""
    text = line_text(lines, first_option)
    inline = OPTION.search(text)
    opens_line = inline is not None and not text[: inline.start()].strip()
    # A stem with its options in one line ends with it.
    below = first_option if opens_line else first_option + 1
    first, last = paragraph_above(lines, below, floor)
    if first == last:
        return None
    lowest = first
    for _ in range(_MAX_PARAGRAPHS):
        for line in range(last - 1, first - 1, -1):
            text = line_text(lines, line)
            if line in asks and not _OPTION_LETTER.match(text):
                return line, asks[line]
            numbered = _NUMBERED.match(text) or _FIELD.match(text)
            if numbered is not None:
                return line, int(lines.start[line]) + len(numbered[0].encode())
        first, last = paragraph_above(lines, first, floor)
        if first == last:
            break
    return lowest, int(lines.content_start[lowest])


def _options_end(lines: Lines, last_option: int, key: int) -> tuple[int, int | None]:
    """The line after the options, and that of reasons that stand before the key.

    An option goes on deeper, or in lower case; what has a label or opens a sentence reasons.
    """
    indent = int(lines.indent[last_option])
    for line in range(last_option + 1, key):
        text = line_text(lines, line)
        is_sentence = int(lines.indent[line]) <= indent and text.lstrip()[:1].isupper()
        if is_sentence or _EXPLAINS.match(text) or LABEL.match(text):
            return line, line
    return key, None


def _episode(lines: Lines, item: _Item, limit: int | None, stops: np.ndarray) -> Episode:
    """The item with what explains its key.

    Args:
      lines: of all documents.
      item: stem, options and key.
      limit: the line that opens the next item of the document, if there is one.
      stops: int64 [n], lines that no explanation goes past.
    """
    contents = [Content(SegmentKind.QUESTION, 0, item.asked, int(lines.start[item.options_end]))]
    if item.explained is not None:
        opened = LABEL.match(line_text(lines, item.explained))
        start = int(lines.start[item.explained])
        start += 0 if opened is None else len(opened[0].encode())
        contents.append(Content(SegmentKind.REASONING, 1, start, int(lines.start[item.key])))
    contents.append(Content(SegmentKind.ANSWER, 1, *item.answer))
    end = item.answer[1]
    if item.explained is None:
        document_end = int(lines.first_line[item.document + 1])
        ceiling = document_end if limit is None else limit
        at = int(stops.searchsorted(item.key + 1))
        ceiling = min(ceiling, int(stops[at])) if at < len(stops) else ceiling
        below = lines.filled_after(item.key)
        explains = below < ceiling and _EXPLAINS.match(line_text(lines, below)) is not None
        if below < ceiling and (explains or below == item.key + 1):
            last = lines.blank_from(below)
            if explains and trim(lines.data, *_line(lines, below))[1] <= _explanation(lines, below):
                # The label has a line of its own.
                last = lines.blank_from(lines.filled_after(below))
            last = ceiling if explains and limit is not None else min(last, ceiling)
            start = _explanation(lines, below)
            if not explains and item.reason is not None:
                contents[-1] = Content(SegmentKind.ANSWER, 1, item.answer[0], item.reason)
                start = item.reason
            stop = int(lines.start[last])
            if trim(lines.data, start, stop)[0] < stop:
                contents.append(Content(SegmentKind.REASONING, 1, start, stop))
                end = stop
    return Episode(int(lines.content_start[item.first]), end, tuple(contents), "key")


def _line(lines: Lines, line: int) -> tuple[int, int]:
    return int(lines.start[line]), int(lines.start[line + 1])


def _explanation(lines: Lines, line: int) -> int:
    """Byte offset of what explains, past its label."""
    opened = _EXPLAINS.match(line_text(lines, line))
    return int(lines.start[line]) + (0 if opened is None else len(opened[0].encode()))


FAMILY = CueFamily(name=GAME, find=find)
