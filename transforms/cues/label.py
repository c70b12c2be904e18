"""Labelled pairs: "Q: ..." and "A: ...", spelled out or numbered, bold or plain, in many languages.

A question runs from its label to the answer's label, an answer to the next question's label, to a
heading or to the end of the document. What stands deeper than the question's label is quoted in the
answer and stays part of it. Where a document labels questions but no answer, a question ends with
its question mark.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from transforms.candidates import Candidates, LinePattern
from transforms.cues.above import line_text, paragraph_above
from transforms.cues.family import CueFamily, Episode, pair
from transforms.cues.label_ends import (
    MAX_TITLE_LINES,
    OPENS_ASKING,
    RULE,
    Pair,
    answer_end,
    without_rest,
    without_unlabelled,
)
from transforms.cues.labels import Label, read_labels
from transforms.cues.options import LABEL as OTHER_LABEL
from transforms.cues.wordless import partings
from transforms.cues.words import QUESTION_MARKS
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "label"

FINAL_VALUE = LinePattern(r"^[ \t]*####[ \t]*[^\p{L}\n]*\d[^\p{L}\n]*\s*$", opens=("####",))
"""Lines that give a number as the final answer, "#### 42"."""

_COMPLETED = LinePattern(
    r"^[ \t]*\[\[[ \t]?\#\#[ \t]completed[ \t]\#\#[ \t]?\]\]", opens="[", holds="$%#"
)
"""Lines that close an answer whose label is "[[ ## answer ## ]]"."""

_LONG_RULE = LinePattern(
    r"^(?:-{40,}|={40,}|_{40,}|\*{40,})\s*$", opens=("----", "====", "____", "****")
)
"""Rules across the page, that part what stands above from what stands below."""

_SURE_LETTERS = "q问問문"
_MARKED_IN_BOLD = tuple(mark + bold for mark in QUESTION_MARKS for bold in ("**", "__"))
_MAX_QUESTION_BYTES = 20_000
_TAIL_BYTES = 64
_MIN_UNANSWERED = 2
_MIN_WORDED = 3
_MOSTLY = 2 / 3
_MAX_PREAMBLE_LINES = 60
_SURE_WORDS = frozenset(
    [
        "q",
        "ｑ",
        "question",
        "frage",
        "pregunta",
        "pergunta",
        "domanda",
        "vraag",
        "вопрос",
        "問",
        "问",
    ]
)
_BEGINS = re.compile(
    r"(?:let['’]?s|let us) (?:think|work|solve|reason)[a-z ,]*step by step[.:,]?"
    r"|are follow[ -]?up questions needed here[:?](?: (?:yes|no)\.?)?|<[a-z]+>",
    re.IGNORECASE,
)
# Choices below a question are part of it, and nobody answered.
_CHOICE = re.compile(rb"[(\[]?[aA1][.):\]]\s")


def find(candidates: Candidates) -> Sequence[Episode]:
    """Pairs of a labelled question and its answer."""
    data = candidates.lines.data
    episodes = []
    for found in find_pairs(candidates):
        start, end = trim(data, found.answer_start, found.answer_end)
        end = answer_end(candidates.lines, start, end)
        if end - start < _TAIL_BYTES and _BEGINS.fullmatch(str(data[start:end], "utf-8", "ignore")):
            # The prompt's end: the answer is left to its reader.
            continue
        asked = _without_emphasis(
            candidates.lines, found.question.end, found.question_end, found.question.emphasis
        )
        emphasis = found.answer.emphasis if found.answer is not None else ""
        answered = _without_emphasis(candidates.lines, found.answer_start, end, emphasis)
        episode = pair(
            (found.question.end, asked),
            (found.answer_start, answered),
            start=found.question.start,
            cue=found.question.cue,
        )
        episodes.append(episode._replace(end=end))
    taken = {episode.start for episode in episodes}
    labels = candidates.once(read_labels)
    unanswered = [label.line for label in labels if label.asks and label.start not in taken]
    candidates.refuse(unanswered, GAME, "no label of an answer goes with it")
    return episodes


def _without_emphasis(lines: Lines, start: int, end: int, emphasis: str) -> int:
    """The end of a content without the markup that its label opened."""
    if not emphasis:
        return end
    end = trim(lines.data, start, end)[1]
    size = len(emphasis)
    closes = lines.buffer[max(start, end - size) : end].tobytes() == emphasis.encode()
    return end - size if closes else end


def find_pairs(candidates: Candidates) -> list[Pair]:
    """Labelled questions with their answers; not in order."""
    values, _ = candidates.matching(FINAL_VALUE)
    completed, _ = candidates.matching(_COMPLETED)
    labels = candidates.once(read_labels)
    # A heading ends the answer before it, unless it says "Answer"; a final answer is the last line
    # of its own.
    answering = {label.line for label in labels if label.answers and not label.asks}
    headings = {heading.first_line for heading in candidates.outline}
    rules, _ = candidates.matching(_LONG_RULE)
    rules = rules[candidates.lines.opens[rules] & candidates.lines.closes[rules]]
    between = candidates.once(partings)
    others = (values + 1, completed, between, rules)
    stops = sorted([*(headings - answering), *(line for each in others for line in each.tolist())])
    found_pairs = _find_answered(candidates.lines, stops, between.tolist(), labels)
    pairs = without_rest(candidates.lines, list(found_pairs))
    pairs = without_unlabelled(candidates.lines, pairs)
    answered = {found.question.document for found in pairs}
    # "EXAMPLE 2" inside a block is an entry of a table of contents.
    unanswered = (
        label
        for label in labels
        if label.asks and label.document not in answered and (label.separator or label.is_head)
    )
    for _, group in itertools.groupby(unanswered, lambda label: label.document):
        found = list(_find_unanswered(candidates.lines, stops, list(group)))
        if len(found) >= _MIN_UNANSWERED:
            pairs.extend(found)
    return [*pairs, *_find_beside(candidates.lines, stops, labels, pairs)]


def _find_beside(
    lines: Lines, stops: list[int], labels: Sequence[Label], pairs: Sequence[Pair]
) -> Iterator[Pair]:
    """Questions in bold, with their labels, beside others of which some answers have labels.

    Each ends a paragraph of one line with its question mark; what follows it answers.
    """
    taken = {found.question.start for found in pairs}
    bold = {
        (found.question.document, found.question.word, found.question.emphasis)
        for found in pairs
        if found.question.emphasis and found.answer is not None
    }
    asking = [label for label in labels if label.asks]
    is_like = [(label.document, label.word, label.emphasis) in bold for label in asking]
    documents = {
        label.document
        for label, like in zip(asking, is_like, strict=True)
        if like and label.start not in taken
    }
    near = (label for label in asking if label.document in documents)
    for document, group in itertools.groupby(near, lambda label: label.document):
        found = []
        for each in _find_unanswered(lines, stops, list(group)):
            label = each.question
            is_bold = (document, label.word, label.emphasis) in bold
            is_alone = label.is_head and bool(lines.closes[label.line])
            asks = line_text(lines, label.line).endswith(_MARKED_IN_BOLD)
            if is_bold and is_alone and asks and label.start not in taken:
                found.append(each)
        if len(found) >= _MIN_UNANSWERED:
            yield from found


def _find_answered(
    lines: Lines, stops: list[int], between: list[int], labels: Sequence[Label]
) -> Iterator[Pair]:
    """Questions whose answers have labels, with none of the lines that part items between."""
    question: Label | None = None
    answer: Label | None = None
    preamble = ""
    for label in labels:
        if question is not None and label.document != question.document:
            if answer is not None:
                yield _pair(lines, stops, question, answer, None)
            question = answer = None
            preamble = ""
        if question is not None and answer is None:
            at = bisect.bisect_right(between, question.line)
            question = None if at < len(between) and between[at] < label.line else question
        if question is not None and answer is None and _matches(lines, question, label):
            # The answers may be gathered elsewhere: "Q1: Q2: A1: A2:".
            is_other = question.number and label.number and question.number != label.number
            question, answer = (None, None) if is_other else (question, label)
        elif _opens(label) and not _is_nested(question, answer, label):
            if question is not None and answer is not None:
                end = _preamble_start(lines, label, answer.line + 1, preamble)
                yield _pair(lines, stops, question, answer, label, end)
            elif question is None:
                preamble = _preamble(lines, label)
            question, answer = label, None
    if question is not None and answer is not None:
        yield _pair(lines, stops, question, answer, None)


def _pair(
    lines: Lines,
    stops: list[int],
    question: Label,
    answer: Label,
    following: Label | None,
    limit: int | None = None,
) -> Pair:
    end = _answer_end(lines, stops, answer, following)
    if limit is not None:
        end = min(end, int(lines.start[limit]))
    return Pair(question, answer.start, answer, answer.end, end)


def _preamble(lines: Lines, question: Label) -> str:
    """The label of the paragraph above a document's first question, "Context:"; empty without."""
    floor = max(int(lines.first_line[question.document]), question.line - _MAX_PREAMBLE_LINES)
    first, last = paragraph_above(lines, question.line, floor)
    found = OTHER_LABEL.match(line_text(lines, first)) if first < last else None
    return "" if found is None else found[0]


def _preamble_start(lines: Lines, question: Label, floor: int, preamble: str) -> int | None:
    """The first line of the paragraph above a question, if it opens as that of the first did."""
    floor = max(floor, question.line - _MAX_PREAMBLE_LINES)
    first, last = paragraph_above(lines, question.line, floor)
    is_like = preamble and first < last and line_text(lines, first).startswith(preamble)
    return first if is_like else None


def _find_unanswered(lines: Lines, stops: list[int], questions: Sequence[Label]) -> Iterator[Pair]:
    """Questions of one document without an answer's label: what follows their mark answers.

    Where they have no marks, but most open with a word that asks, what follows their paragraph
    answers, or where there is but one paragraph, what follows their line.
    """
    paragraph_ends = lines.next_blank(np.array([label.line for label in questions])).tolist()
    document_end = int(lines.first_line[questions[0].document + 1])
    limits = [*(label.line for label in questions[1:]), document_end]
    heads = [min(ends) for ends in zip(paragraph_ends, limits, strict=True)]
    lasts = [
        _marked_line(lines, label.line, head) for label, head in zip(questions, heads, strict=True)
    ]
    if _are_worded(lines, questions):
        followed = lines.next_filled(np.array(heads) - 1).tolist()
        n_spaced = sum(
            head - label.line < MAX_TITLE_LINES and line < limit
            for label, head, line, limit in zip(questions, heads, followed, limits, strict=True)
        )
        is_spaced = n_spaced >= _MOSTLY * len(questions)
        for i, (label, head) in enumerate(zip(questions, heads, strict=True)):
            is_title = head - label.line <= MAX_TITLE_LINES
            if lasts[i] is None and (is_title or not is_spaced):
                lasts[i] = head - 1 if is_spaced else label.line
    for i, last in enumerate(lasts):
        if last is None:
            continue
        label, following = questions[i], questions[i + 1] if i + 1 < len(questions) else None
        end = _answer_end(lines, stops, label, following)
        # A rule below a question sets it off.
        is_ruled = last + 2 < lines.n_lines and RULE.fullmatch(line_text(lines, last + 1))
        body = int(lines.start[last + 2 if is_ruled else last + 1])
        start = trim(lines.data, body, end)[0]
        if start < end and _CHOICE.match(lines.data, start) is None:
            yield Pair(label, int(lines.start[last + 1]), None, body, end)


def _marked_line(lines: Lines, first: int, end: int) -> int | None:
    """The first of the lines [first, end) that ends in a question mark, before another label."""
    for line in range(first, end):
        # "Follow up: Who?" asks oneself, in steps.
        if line > first and OTHER_LABEL.match(line_text(lines, line)):
            return None
        text = lines.buffer[lines.start[line] : lines.start[line + 1]].tobytes()
        if text.decode().rstrip().rstrip("*_").endswith(QUESTION_MARKS):
            return line
    return None


def _are_worded(lines: Lines, questions: Sequence[Label]) -> bool:
    """Whether most of a document's labels stand before a word that asks."""
    named = [label for label in questions if label.word in _SURE_WORDS]
    opens = (
        OPENS_ASKING.match(str(lines.data[label.end : label.end + _TAIL_BYTES], "utf-8", "ignore"))
        for label in named
    )
    n_asking = sum(match is not None for match in opens)
    return n_asking >= max(_MIN_WORDED, _MOSTLY * len(questions))


def _matches(lines: Lines, question: Label, answer: Label) -> bool:
    """Whether an answer's label goes with the label of the question before it."""
    if not question.asks & answer.answers:
        return False
    if answer.start - question.end > _MAX_QUESTION_BYTES:
        return False
    if len(question.word) == 1 and question.word not in _SURE_LETTERS:
        # "S:" and "C:" stand for many things, a server and a client among them.
        low = max(question.end, answer.start - _TAIL_BYTES)
        tail = str(lines.data[low : answer.start], "utf-8", "ignore")
        return tail.rstrip().endswith(QUESTION_MARKS)
    if answer.word == "a" and not answer.number and _is_choice(lines, answer):
        return False
    if len(answer.word) == 1 and answer.separator not in ":：":
        return question.separator == answer.separator and len(question.word) == 1
    return True


def _is_choice(lines: Lines, answer: Label) -> bool:
    """Whether what looks like an answer's label counts choices: the next line is "B."."""
    below = answer.line + 1
    if answer.separator in ":：" or below >= lines.first_line[answer.document + 1]:
        return False
    start = int(lines.content_start[below])
    return bytes(lines.data[start : start + 3]).upper().lstrip(b"([")[:2] in (b"B.", b"B)", b"B]")


def _opens(label: Label) -> bool:
    """Whether a label opens a question.

    Words that are labels by chance ("example:" where a line breaks) do so only at the head of a
    paragraph, or with a number or markup.
    """
    if not label.asks:
        return False
    if label.word in _SURE_WORDS and label.separator and label.cue[0].isupper():
        return True
    if any(map(str.isdigit, label.cue)) or label.emphasis:
        return True
    return label.is_head


def _is_nested(question: Label | None, answer: Label | None, label: Label) -> bool:
    """Whether a question's label stands inside an answer, deeper than the question it answers."""
    if question is None or answer is None:
        return False
    return label.indent > question.indent


def _answer_end(lines: Lines, stops: list[int], answer: Label, following: Label | None) -> int:
    """Byte offset of the answer's end: a heading, the next question or the document's end."""
    end = int(lines.first_line[answer.document + 1]) if following is None else following.line
    at = bisect.bisect_right(stops, answer.line)
    if at < len(stops):
        end = min(end, stops[at])
    return int(lines.start[end])


FAMILY = CueFamily(name=GAME, find=find)
