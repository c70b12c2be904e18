"""Answers gathered in a place of their own and joined to their questions by number.

Numbered exercises stand in one place, and under a title such as "Answers" or "Solutions to the
exercises" stand paragraphs with the same numbers; or the labels say it, "Q1 Q2 Q3 A1 A2 A3". Each
pair is an episode with a gap between question and answer.

Bare numbers count steps and sections too. They ask only under a title that says so ("Exercises"),
or where most of them ask.
"""

import bisect
import itertools
import re
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import DIGITS, Candidates, LinePattern
from transforms.cues.answer_rows import ANSWER_TITLES, RowItem, read_rows
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.words import ANSWERS, ASKS, QUESTION_MARKS, longest_first
from transforms.episodes import trim
from transforms.lines import Int64s, Lines

GAME = "gathered"

# Titles of such places; what else their lines may hold is in _FILLERS.
_QUESTION_TITLES = (
    "questions?|exercises?|problems?|quiz|quizzes|review questions|self-test|test yourself|puzzles"
    "|riddles|drills|fragen|aufgaben|übungen|exercices|problèmes|preguntas|ejercicios|problemas"
    "|perguntas|exercícios|domande|esercizi|problemi|vragen|oefeningen|opgaven|frågor|övningar"
    "|pytania|zadania|вопросы|задачи|упражнения|питання|问题|問題|練習問題|练习|习题|練習|質問|문제"
)
_FILLERS = (
    "to|for|of|the|all|check|selected|some|odd-numbered|numbered|odd|even|and|appendix|chapter|section"
    "|part|unit|lesson|hints|sample|suggested|model|review|study|practice|quick|your|in|this|book"
    "|zu|zur|zum|auf|die|den|der|ausgewählte|anhang|kapitel|und|aux|des|de|du|les|et|annexe|corrigées?|a|las|los|y"
    "|del|capítulo|das|dos|aos|e|às|ai|agli|delle|degli|к|задачам|упражнениям|вопросам|на|\\d+|[a-z]"
    "|[ivxlc]+"
)
_JOIN = r"[ \t:.,&–—-]"


def _title(main: str, others: str) -> str:
    filler = rf"(?:(?:{_FILLERS}|{others}){_JOIN}+)"
    return (
        rf"(?i:^[ \t]{{0,12}}(?:#{{1,6}}[ \t]+)?[*_]{{0,2}}{filler}{{0,6}}(?:{main})"
        rf"(?:{_JOIN}+(?:{_FILLERS}|{others})){{0,6}}[ \t]*[:.]?[ \t]*[*_]{{0,2}}[ \t]*:?\s*$)"
    )


ANSWERS_TITLE = _title(ANSWER_TITLES, _QUESTION_TITLES)
"""Rust regular expression of lines that head gathered answers."""
QUESTIONS_TITLE = _title(_QUESTION_TITLES, "and")
"""Rust regular expression of lines that head questions."""

_WORDS = sorted({word for word in (*ASKS, *ANSWERS) if len(word) > 1 or word in "qa"})
_WORD = longest_first(_WORDS)
_SPACE = r"[ \t\f\u3000\ufeff]"
_NUMBER = r"\d{1,3}(?:\.\d{1,3}){0,3}"
_MARKUP = rf"^{_SPACE}{{0,12}}(?:#{{1,6}}[ \t]+)?[*_]{{0,2}}[\[(]?"
LABELLED_ITEM = LinePattern(
    rf"(?i:{_MARKUP}(?:{_WORD})\.?[ \t]*(?:no\.?|#)?[ \t]*{_NUMBER})",
    words=tuple(_WORDS),
    holds="0٠",
)
"""Lines that open with a word and a number."""
_FIRSTS = (*DIGITS, *(letter + ")" for letter in string.ascii_lowercase))
BARE_ITEM = LinePattern(
    rf"{_MARKUP}(?:{_NUMBER}(?:[.):\]．、）]|-[ \t])|\d{{1,3}}(?:\.\d{{1,3}}){{1,3}}[ \t]+\S"
    r"|[a-z]\))",
    opens=(
        *"*_",
        *(before + first for before in ("", "[", "(", "# ", "#\t") for first in _FIRSTS),
        "##",
        *("#" + space + other for space in " \t" for other in " \t*_[("),
    ),
)
"""Lines that open with a number, or with a letter that counts: "b)"."""

_ITEM = re.compile(
    rf"""{_SPACE}{{0,12}}(?:\#{{1,6}}[ \t]+)?(?P<open>[*_]{{0,2}})[\[(]?
    (?:(?P<word>{_WORD})\.?[ \t]*+(?:(?:no\.?|\#)[ \t]*+)?)?(?P<number>{_NUMBER}|[a-z](?=\)))
    (?P<close>[*_]{{0,2}}(?:\.[-ªº]|[.):：\]．、）]{{1,2}}|[ \t]*[-–—](?=[ \t]))?[*_]{{0,2}})
    (?P<end>[ \t\u00a0\u3000]+|(?<=[．、）：])|\s*$)""",
    re.IGNORECASE | re.VERBOSE,
)
_MIN_PAIRS = 2
_MIN_BARE_PAIRS = 3
# Two questions and their answers, or three questions and a row of answers.
_MIN_ITEMS = 3
# Of the answers' numbers, so many must be questions' numbers; of the questions, so many may have
# answers: books solve the odd ones.
_MIN_JOINED = 0.8
_MIN_ANSWERED = 0.3
_MIN_ASKING = 0.5
_MAX_TITLE_LINES = 30


class Item(NamedTuple):
    """A numbered paragraph.

    Attributes:
      line: of its label.
      end: byte offset of what the label labels.
      key: alike for peers: word, depth of number, none for letters, indentation.
      number: its number.
      emphasis: markup that the label opens and does not close.
    """

    line: int
    end: int
    key: tuple[str, int, int]
    number: tuple[int, ...]
    emphasis: str


Run = list[Item]
"""Items of one key, their numbers ascending."""


class Section(NamedTuple):
    """Where answers are gathered: from a title, or from the first label of an answer."""

    line: int
    title: str


def find(candidates: Candidates) -> Sequence[Episode]:
    """Numbered questions whose answers are gathered elsewhere in the document."""
    items, text = candidates.matching(LABELLED_ITEM, BARE_ITEM)
    lines = candidates.lines
    documents = lines.document_of(items)
    rows = read_rows(candidates)
    labelled, _ = candidates.matching(LABELLED_ITEM)
    in_rows = np.array([row[0].line for row in rows.values()], np.int64)
    is_enough = np.bincount(documents, minlength=1)[documents] >= _MIN_ITEMS
    layout = _Layout(candidates, items[is_enough], np.append(labelled, in_rows))
    chosen = is_enough & layout.is_hopeful[items]
    if not chosen.any():
        return []
    indents = lines.indent[items[chosen]].tolist()
    read = map(
        _read_item,
        itertools.repeat(lines),
        items[chosen].tolist(),
        indents,
        text.filter(chosen).to_list(),
    )
    placed = zip(documents[chosen].tolist(), read, strict=True)
    episodes: list[Episode] = []
    for document, group in itertools.groupby(placed, lambda each: each[0]):
        found = [item for _, item in group if item is not None]
        episodes.extend(_join(layout, document, found))
        episodes.extend(_join_row(layout, rows.get(document, []), found))
    return episodes


def _join_row(
    layout: "_Layout", row: Sequence[RowItem], items: Sequence[Item]
) -> Iterator[Episode]:
    """An episode for each answer in a row and the question with its number above."""
    pool: dict[tuple[str, int, int], list[Run]] = {}
    for item in items:
        if row and item.line < row[0].line:
            _put(pool, item)
    answered = {answer.number: answer for answer in row}
    for key, (*_, run) in pool.items():
        if len(answered) < _MIN_BARE_PAIRS or _numbers(run) != set(answered):
            continue
        if not _ask(layout, key[0], [(run, run)]):
            continue
        for item, last in zip(run, _ends(layout, run, row[0].line), strict=True):
            answer = answered[item.number]
            gap_start = int(layout.lines.start[last])
            contents = (
                Content(SegmentKind.QUESTION, 0, *_content(layout.lines, item, gap_start)),
                Content(SegmentKind.ANSWER, 1, *answer.content),
            )
            start = int(layout.lines.content_start[item.line])
            gap = (gap_start, answer.start)
            yield Episode(start, answer.content[1], contents, "answers in a row", (gap,))


def _read_item(lines: Lines, line: int, indent: int, text: str) -> Item | None:
    match = _ITEM.match(text)
    if match is None:
        return None
    word = (match["word"] or "").casefold()
    # "2.1 Why?" needs no mark behind its number, "2 apples" is no item.
    if not word and "." not in match["number"] and not match["close"].strip("*_ \t"):
        return None
    shown = match["number"]
    is_letter = shown.isalpha()
    number = (ord(shown) - ord("`"),) if is_letter else tuple(map(int, shown.split(".")))
    # "**3.** Why" closes its markup, "**3. Why**" does not.
    is_open = bool(match["open"]) and match["open"] not in match["close"]
    end = int(lines.start[line]) + len(text[: match.end("end")].encode())
    key = (word, 0 if is_letter else len(number), indent)
    return Item(line, end, key, number, match["open"] if is_open else "")


class _Layout:
    """Titles, headings and paragraphs, by line, of the documents with items.

    Args:
      candidates: all lines.
      items: int64 [n], the lines of items.
      answering: int64 [n], lines that may be answers without a title above them.
    """

    def __init__(self, candidates: Candidates, items: Int64s, answering: Int64s) -> None:
        self.lines = candidates.lines
        is_near = self.lines.shares_document(items)
        is_opener = self.lines.opens & ~self.lines.is_blank & is_near
        self.openers = np.flatnonzero(is_opener)
        # Words close sentences too: a title opens a paragraph.
        is_title = is_opener.copy()
        is_title[[heading.title_line for heading in candidates.outline]] = True
        standing = np.flatnonzero(is_title & is_near)
        answers, answer_texts = candidates.among(standing, ANSWERS_TITLE)
        self.is_hopeful = self.lines.shares_document(np.append(answers, answering))
        standing = standing[self.is_hopeful[standing]]
        questions, _ = candidates.among(standing, QUESTIONS_TITLE)
        self.sections, self.questions = answers.tolist(), questions.tolist()
        self.titles = dict(zip(self.sections, answer_texts.to_list(), strict=True))
        first_lines = [heading.first_line for heading in candidates.outline]
        self.stops = sorted({*self.sections, *self.questions, *first_lines})

    def n_paragraphs(self, first: int, end: int) -> int:
        """How many paragraphs there are in the lines [first, end)."""
        low, high = self.openers.searchsorted([first + 1, end])
        return int(high - low) + 1

    def after_paragraphs(self, first: int, n_paragraphs: int, end: int) -> int:
        """The line after so many paragraphs that begin in `first`, `end` at most."""
        at = int(self.openers.searchsorted(first + 1)) + n_paragraphs - 1
        return min(end, int(self.openers[at])) if at < len(self.openers) else end

    def is_titled(self, line: int) -> bool:
        """Whether a title not far above a line says that questions follow."""
        at = bisect.bisect_right(self.questions, line) - 1
        begin = self.lines.first_line[self.lines.document_of(np.array([line]))[0]]
        return at >= 0 and self.questions[at] >= max(begin, line - _MAX_TITLE_LINES)


def _join(layout: _Layout, document: int, items: Sequence[Item]) -> Iterator[Episode]:
    """Joins the items of one document."""
    begin, end = layout.lines.first_line[document : document + 2].tolist()
    low, high = (bisect.bisect_left(layout.sections, line) for line in (begin, end))
    titled = [Section(line, _cue(layout.titles[line])) for line in layout.sections[low:high]]
    sections = titled or list(_labelled_sections(items))
    pool: dict[tuple[str, int, int], list[Run]] = {}
    at = 0
    ends = [*(section.line for section in sections), end][1:]
    for section, section_end in zip(sections, ends, strict=True):
        while at < len(items) and items[at].line < section.line:
            _put(pool, items[at])
            at += 1
        first = at
        while at < len(items) and items[at].line < section_end:
            at += 1
        answers = _answer_runs(items[first:at])
        # Lists of something else, or the next chapter's questions, may follow the answers.
        joined = _joined_runs(layout, pool, answers) or _joined_runs(layout, pool, answers[:1])
        if joined:
            pool = {}
            first = bisect.bisect_right(items, joined[-1][1][-1].line, key=lambda item: item.line)
            for questions, answered in joined:
                yield from _episodes(layout, questions, answered, section, section_end)
        for item in items[first:at]:
            _put(pool, item)


def _cue(title: str) -> str:
    return title.strip().strip("#*_: \t")[:40] or "answers"


def _labelled_sections(items: Sequence[Item]) -> Iterator[Section]:
    """Where labels of answers begin that follow several labels of questions."""
    n_asked, before = 0, ""
    for item, following in itertools.pairwise(items):
        word = item.key[0]
        if not word:
            continue
        answers = bool(ANSWERS.get(word, frozenset()) & ASKS.get(before, frozenset()))
        if answers and n_asked >= _MIN_PAIRS and following.key[0] == word:
            yield Section(item.line, f"{word} {'.'.join(map(str, item.number))}")
        if word in ASKS and not answers:
            n_asked, before = n_asked + 1 if word == before else 1, word
        else:
            n_asked = 0


def _put(pool: dict[tuple[str, int, int], list[Run]], item: Item) -> None:
    """Adds an item to the last run of its key, or to a new one where numbers start again."""
    runs = pool.setdefault(item.key, [])
    if runs and runs[-1][-1].number < item.number:
        runs[-1].append(item)
    else:
        runs.append([item])


def _answer_runs(items: Sequence[Item]) -> list[Run]:
    """The runs of items like the first."""
    pool: dict[tuple[str, int, int], list[Run]] = {}
    for item in items:
        if item.key == items[0].key:
            _put(pool, item)
    return pool[items[0].key] if items else []


def _joined_runs(
    layout: _Layout, pool: dict[tuple[str, int, int], list[Run]], answers: list[Run]
) -> list[tuple[Run, Run]]:
    """Runs of questions with the runs of their answers; none if they do not join."""
    best: list[tuple[Run, Run]] = []
    most = 0
    for key, runs in pool.items():
        if not answers or key[1] != answers[0][0].key[1]:
            continue
        # As many chapters of questions as of answers; a single list of answers is the last one's.
        pairs = list(zip(runs[-len(answers) :], answers, strict=False))
        n_joined = sum(len(_numbers(asked) & _numbers(given)) for asked, given in pairs)
        n_asked, n_given = (sum(map(len, side)) for side in zip(*pairs, strict=True))
        is_enough = n_joined >= max(
            _MIN_PAIRS if key[0] else _MIN_BARE_PAIRS,
            _MIN_JOINED * n_given,
            _MIN_ANSWERED * n_asked,
        )
        is_list = len(runs) >= len(answers) and len(pairs) == len(answers)
        if is_enough and is_list and n_joined > most and _ask(layout, key[0], pairs):
            best, most = pairs, n_joined
    return best


def _numbers(run: Run) -> set[tuple[int, ...]]:
    return {item.number for item in run}


def _ask(layout: _Layout, word: str, pairs: Sequence[tuple[Run, Run]]) -> bool:
    """Whether numbered items are questions: by their word, their title or their marks."""
    if word in ASKS:
        return True
    if all(layout.is_titled(asked[0].line) for asked, _ in pairs):
        return True
    asked = [item for run, _ in pairs for item in run]
    n_asking = sum(_line_asks(layout.lines, item.line) for item in asked)
    return n_asking >= _MIN_ASKING * len(asked)


def _line_asks(lines: Lines, line: int) -> bool:
    """Whether a question's mark stands in a line or in the one below it."""
    last = min(line + 2, lines.n_lines)
    text = str(lines.data[lines.start[line] : lines.start[last]][:2_000], "utf-8", "ignore")
    return any(mark in text for mark in QUESTION_MARKS)


def _episodes(
    layout: _Layout, questions: Run, answers: Run, section: Section, section_end: int
) -> Iterator[Episode]:
    """An episode for each number that both have."""
    asked = dict(zip((item.number for item in questions), questions, strict=True))
    question_ends = _ends(layout, questions, section.line)
    answer_ends = _ends(layout, answers, section_end)
    ends = dict(zip((item.number for item in questions), question_ends, strict=True))
    lines = layout.lines
    for answer, answer_end in zip(answers, answer_ends, strict=True):
        question = asked.get(answer.number)
        if question is None:
            continue
        start, gap_end = (int(lines.content_start[item.line]) for item in (question, answer))
        gap_start = int(lines.start[ends[answer.number]])
        end = int(lines.start[answer_end])
        contents = (
            Content(SegmentKind.QUESTION, 0, *_content(lines, question, gap_start)),
            Content(SegmentKind.ANSWER, 1, *_content(lines, answer, end)),
        )
        yield Episode(start, end, contents, section.title, ((gap_start, gap_end),))


def _content(lines: Lines, item: Item, end: int) -> tuple[int, int]:
    """Byte range of what an item's label labels, without the markup that is open after it."""
    end = trim(lines.data, item.end, end)[1]
    mark = item.emphasis.encode()
    if mark and lines.buffer[max(item.end, end - len(mark)) : end].tobytes() == mark:
        end -= len(mark)
    return item.end, end


def _ends(layout: _Layout, run: Run, limit: int) -> list[int]:
    """The line after each item's last: the next item, a title, or the limit.

    What follows the last one in its section is not all its own: it has no more paragraphs than the
    longest of its peers.
    """
    ends: list[int] = []
    for item, following in itertools.zip_longest(run, run[1:]):
        end = limit if following is None else following.line
        at = bisect.bisect_right(layout.stops, item.line)
        if at < len(layout.stops):
            end = min(end, layout.stops[at])
        if following is None and ends:
            longest = max(map(layout.n_paragraphs, (each.line for each in run), ends))
            end = layout.after_paragraphs(item.line, longest, end)
        ends.append(end)
    return ends


FAMILY = CueFamily(name=GAME, find=find)
