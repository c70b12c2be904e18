"""Labelled pairs: "Q: ..." and "A: ...", spelled out or numbered, bold or plain, in many languages.

A question runs from its label to the answer's label, an answer to the next question's label, to a
heading or to the end of the document. What stands deeper than the question's label is quoted in the
answer and stays part of it.
"""

import bisect
import dataclasses
import re
from collections.abc import Iterator, Sequence

import numpy as np

from transforms.candidates import Candidates
from transforms.cues.family import CueFamily, Episode, pair
from transforms.lines import Lines

GAME = "label"

# What is asked under the words at the left is answered under those at the right. Words are compared
# case-folded; one letter stands for what it abbreviates.
WORD_PAIRS: tuple[tuple[str, str], ...] = (
    ("q question quest ques", "a answer ans response reply solution"),
    ("exercise problem example task puzzle riddle", "solution answer"),
    ("instruction prompt", "response output completion answer"),
    ("q question", "r réponse reponse"),
    ("frage f", "antwort a"),
    ("aufgabe übung", "lösung antwort"),
    ("exercice problème", "solution réponse"),
    ("pregunta p", "respuesta r"),
    ("ejercicio problema", "solución respuesta"),
    ("pergunta p", "resposta r"),
    ("domanda d", "risposta r"),
    ("vraag v", "antwoord a"),
    ("fråga f spørgsmål spørsmål", "svar s"),
    ("pytanie p", "odpowiedź o"),
    ("вопрос в", "ответ о"),
    ("задача упражнение", "решение ответ"),
    ("питання п", "відповідь в"),
    ("soru", "cevap yanıt"),
    ("問 质问 質問 问 问题 問題", "答 回答 答案 解答 解"),
    ("질문 문 문제", "답변 답 해답"),
    ("سؤال س السؤال", "جواب ج الجواب"),
    ("प्रश्न", "उत्तर"),
    ("ερώτηση ε", "απάντηση α"),
    ("otázka", "odpověď odpoveď"),
    ("kérdés k", "válasz v"),
    ("întrebare", "răspuns"),
    ("kysymys k", "vastaus v"),
    ("câu hỏi hỏi", "trả lời đáp"),
    ("pertanyaan", "jawaban"),
)


def _roles() -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """For each word, the pairs in which it asks, and those in which it answers."""
    asks: dict[str, set[int]] = {}
    answers: dict[str, set[int]] = {}
    for ordinal, sides in enumerate(WORD_PAIRS):
        for words, side in zip(sides, (asks, answers), strict=True):
            for word in words.replace("câu hỏi", "câu·hỏi").replace("trả lời", "trả·lời").split():
                side.setdefault(word.replace("·", " ").casefold(), set()).add(ordinal)
    return (
        {word: frozenset(ordinals) for word, ordinals in asks.items()},
        {word: frozenset(ordinals) for word, ordinals in answers.items()},
    )


ASKS, ANSWERS = _roles()
_WORD = "|".join(sorted((re.escape(w) for w in {*ASKS, *ANSWERS}), key=len, reverse=True))
_OPEN = r"(?:\#{1,6}[ \t]+)?(?:\*\*|__|\*|_|\[|\()?"
_NUMBER = r"(?:[ \t]*(?:no\.?|nr\.?|\#|№)?[ \t]*\d{1,4}(?:\.\d{1,3}){0,3}[a-z]?)?"
_SEPARATOR = r"(?:[:：]|\.|\)|\]|-|–|—)"
CANDIDATE = (
    rf"(?i)^[ \t]*{_OPEN}(?:{_WORD}){_NUMBER}[ \t]*(?:\*\*|__|\*|_)?[ \t]*(?:{_SEPARATOR}|\n|\r|$)"
)
"""Rust regular expression of lines that may open with a label."""

_LABEL = re.compile(
    rf"""[ \t]*(?P<open>{_OPEN})(?P<word>{_WORD})(?P<number>{_NUMBER})
    [ \t]*(?:\*\*|__|\*|_)?
    (?:[ \t]*(?P<sep>{_SEPARATOR})(?:\*\*|__|\*|_)?(?P<after>[ \t]*(?P<next>.?))|[ \t]*$)""",
    re.IGNORECASE | re.VERBOSE,
)
_EMPHASIS = ("**", "__", "*", "_")
_SURE_LETTERS = "q问問문"
_MAX_QUESTION_BYTES = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """A label at the start of a line.

    Attributes:
      line: number of its line.
      document: ordinal of its document.
      start: byte offset of the label, markup included.
      end: byte offset of what it labels.
      word: its word, case-folded.
      separator: what closes it; empty where the line does.
      is_alone: whether nothing but the label stands in the line.
      emphasis: the markup that opens before the label and is still open after it.
      cue: the label for people.
    """

    line: int
    document: int
    start: int
    end: int
    word: str
    separator: str
    is_alone: bool
    emphasis: str
    cue: str

    @property
    def asks(self) -> frozenset[int]:
        """The word pairs in which it labels a question."""
        return ASKS.get(self.word, frozenset())

    @property
    def answers(self) -> frozenset[int]:
        """The word pairs in which it labels an answer."""
        return ANSWERS.get(self.word, frozenset())


def read_labels(candidates: Candidates) -> list[Label]:
    """The labels that open lines, in order; they need not be paired."""
    lines = candidates.lines
    number, text = candidates.matching(CANDIDATE)
    documents = lines.document_of(number).tolist()
    labels = []
    for line, document, content in zip(number.tolist(), documents, text.to_list(), strict=True):
        match = _LABEL.match(content.rstrip())
        if match is None or not _is_label(match):
            continue
        start = int(lines.start[line])
        spaces = len(content) - len(content.lstrip())
        body = match.end() if match["sep"] is None else match.start("after")
        opening = match["open"].lstrip("# \t")
        label = content[spaces:body]
        is_emphasis = opening in _EMPHASIS and opening not in label[len(match["open"]) :]
        labels.append(
            Label(
                line,
                document,
                start + spaces,
                start + len(content[:body].encode()),
                match["word"].casefold(),
                match["sep"] or "",
                not content[body:].strip(" \t\r\n*_"),
                opening if is_emphasis else "",
                label.strip("#*_[( \t"),
            )
        )
    return labels


def _is_label(match: re.Match[str]) -> bool:
    """Whether what looks like a label is one: its word, number, mark and markup go together."""
    word, separator, opening = match["word"], match["sep"], match["open"]
    is_marked = bool(match["number"].strip()) or bool(opening.strip())
    if separator is None:
        # A bare word is a word; "Exercise 3" or "**Answer**" alone in a line is a label.
        return (is_marked or word.casefold() in ("solution", "answer")) and len(word) > 1
    if len(word) == 1 and word.islower() and word not in "qa":
        return False
    if separator in ":：":
        return match["next"] not in ("/", "\\", ":") or match["after"].startswith((" ", "\t"))
    if separator in "])" and opening.strip("# \t") in ("[", "("):
        return True
    follows_space = match["after"][:1] in ("", " ", "\t")
    if separator in "-–—":
        return follows_space and is_marked
    # "A." and "A)" count things unless the question has the same mark; see `_matches`.
    return follows_space and (is_marked or len(word) == 1 or not match["next"])


def _matches(lines: Lines, question: Label, answer: Label) -> bool:
    """Whether an answer's label goes with the label of the question before it."""
    if not question.asks & answer.answers:
        return False
    if answer.start - question.end > _MAX_QUESTION_BYTES:
        return False
    if len(question.word) == 1 and question.word not in _SURE_LETTERS:
        # "S:" and "C:" stand for many things, a server and a client among them.
        asked = lines.buffer[question.end : answer.start].tobytes().decode()
        return asked.rstrip().endswith(("?", "？", "؟"))
    if len(answer.word) == 1 and answer.separator not in ":：":
        return question.separator == answer.separator and len(question.word) == 1
    return True


def find(candidates: Candidates) -> Sequence[Episode]:
    """Pairs of a labelled question and its labelled answer."""
    return [
        pair(
            (question.end, answer.start),
            (answer.end, end),
            start=question.start,
            cue=question.cue,
        )
        for question, answer, end in find_pairs(candidates)
    ]


def find_pairs(candidates: Candidates) -> Iterator[tuple[Label, Label, int]]:
    """For each pair its two labels and the byte offset at which the answer ends."""
    lines = candidates.lines
    stops = [heading.first_line for heading in candidates.outline]
    question: Label | None = None
    answer: Label | None = None
    for label in read_labels(candidates):
        if question is not None and label.document != question.document:
            if answer is not None:
                yield question, answer, _answer_end(lines, stops, answer, None)
            question = answer = None
        if question is not None and answer is None and _matches(lines, question, label):
            answer = label
        elif _opens(lines, label) and not _is_nested(lines, question, answer, label):
            if question is not None and answer is not None:
                yield question, answer, _answer_end(lines, stops, answer, label)
            question, answer = label, None
    if question is not None and answer is not None:
        yield question, answer, _answer_end(lines, stops, answer, None)


def _opens(lines: Lines, label: Label) -> bool:
    """Whether a label opens a question.

    Words that are labels by chance ("example:" where a line breaks) do so only at the head of a
    paragraph, or with a number or markup.
    """
    if not label.asks:
        return False
    if label.word in ("q", "question") and label.cue[0].isupper():
        return True
    if any(map(str.isdigit, label.cue)) or label.emphasis:
        return True
    return bool(lines.opens_paragraph(np.array([label.line]))[0])


def _is_nested(lines: Lines, question: Label | None, answer: Label | None, label: Label) -> bool:
    """Whether a question's label stands inside an answer, deeper than the question it answers."""
    if question is None or answer is None:
        return False
    return bool(lines.indent[label.line] > lines.indent[question.line])


def _answer_end(lines: Lines, stops: list[int], answer: Label, following: Label | None) -> int:
    """Byte offset of the answer's end: a heading, the next question or the document's end."""
    end = int(lines.first_line[answer.document + 1]) if following is None else following.line
    at = bisect.bisect_right(stops, answer.line)
    if at < len(stops):
        end = min(end, stops[at])
    return int(lines.start[end])


FAMILY = CueFamily(name=GAME, candidate=CANDIDATE, find=find)
