"""Headings that ask: "## How do I ...?", "3.1. Why ...?", or a question in a line of its own.

Where markup shows a heading, one that asks is a question by itself. A plain line is one only beside
others like it: a document in which many lines at one indentation stand alone and ask, and have
something other than the next question below them, is a list of questions and answers. The rest is
rhetoric, or a table of contents.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from transforms.candidates import Candidates
from transforms.cues import gathered
from transforms.cues.blocks import ASKING_WORD, SURE_WORD
from transforms.cues.family import CueFamily, Episode, pair
from transforms.cues.labels import without_label
from transforms.cues.standing import ASKS, GAME, find_standing
from transforms.cues.wordless import AnswerEnds, has_words
from transforms.lines import Lines
from transforms.outline import Heading

_ASKS = re.compile(rf"{ASKS}[*_`]*$")
_OPENS_ASKING = re.compile(rf"{ASKING_WORD}.*[^.,;:!]$")
_SURE = re.compile(rf"[*_\d.)( \t]*{SURE_WORD}")
_MIN_WORDED = 3
# A changelog's headings: three that open alike and name a version, or news by their words.
_OPENING_WORDS = 3
_MIN_RELEASES = 3
_VERSION = re.compile(r"\d\.\d|\b(?:19|20)\d\d\b")
_NEWS = re.compile(
    r"[\W\d]*(?:what['’]?s|what is|what has|was ist|quoi de) (?:new|changed|fixed|next|neu|neuf)\b",
    re.IGNORECASE,
)
# Among peers of one rank, this share must ask before those that do not are questions by place.
_MAJORITY = 0.6


def find(candidates: Candidates) -> Sequence[Episode]:
    """Questions in headings of the outline and in lines that stand alone."""
    found = itertools.chain(_find_outlined(candidates), find_standing(candidates))
    # What stands below an exercise is no answer where its number is answered elsewhere.
    answered = {episode.start for episode in candidates.once(gathered.find)}
    return [episode for episode in found if episode.start not in answered]


def _find_outlined(candidates: Candidates) -> Iterator[Episode]:
    lines = candidates.lines
    answer_ends = candidates.once(AnswerEnds)
    by_document = itertools.groupby(candidates.outline, lambda heading: heading.document)
    for _, group in by_document:
        headings = list(group)
        asks = _asking(headings)
        if any(asks):
            asks = _without_releases(headings, asks)
        if not any(asks):
            continue
        is_question = _with_peers(headings, asks)
        ends = _section_ends(lines, headings)
        ends = _without_parts(headings, is_question, ends)
        for heading, is_asked, end in zip(headings, is_question, ends, strict=True):
            if is_asked:
                body = heading.last_line + 1
                # A term below may take the heading for its own first line.
                answer_end = max(body, answer_ends.end(body, end))
                if has_words(lines, int(lines.start[body]), int(lines.start[answer_end])):
                    yield _episode(lines, heading, answer_end)
                else:
                    candidates.refuse([heading.title_line], GAME, "nothing below it")


def _episode(lines: Lines, heading: Heading, end: int) -> Episode:
    body = int(lines.start[heading.last_line + 1])
    # "## Q: Why?" is a heading even where no answer has a label.
    title_start = heading.title_end - len(without_label(heading.title).encode())
    return pair(
        (title_start, heading.title_end),
        (body, int(lines.start[end])),
        start=int(lines.start[heading.first_line]),
        cue=f"{heading.notation if heading.notation.isalnum() else heading.notation[0]} heading",
    )


def _asking(headings: Sequence[Heading]) -> list[bool]:
    """Whether each heading asks: by its mark, or by its first word where most peers have one."""
    asks = [_ASKS.search(heading.title) is not None for heading in headings]
    opens = [_OPENS_ASKING.match(heading.title) is not None for heading in headings]
    for rank in {heading.rank for heading in headings}:
        peers = [i for i, heading in enumerate(headings) if heading.rank == rank]
        asking = [i for i in peers if asks[i] or opens[i]]
        n_sure = sum(_SURE.match(headings[i].title) is not None for i in asking)
        # "What's changed" once a release, or a template's headings, are no questions.
        n_titles = len({headings[i].title for i in asking})
        is_list = n_titles >= max(_MIN_WORDED, _MAJORITY * len(peers))
        if not is_list or 2 * n_sure < len(asking):
            continue
        for i in asking:
            asks[i] = True
    return asks


def _without_releases(headings: Sequence[Heading], asks: Sequence[bool]) -> list[bool]:
    """Takes out headings that ask the same of every release: "What's new in 3.1?"."""
    opening = [" ".join(heading.title.casefold().split()[:_OPENING_WORDS]) for heading in headings]
    versions = [_VERSION.search(heading.title) is not None for heading in headings]
    n_alike = Counter(opening[i] for i, is_asked in enumerate(asks) if is_asked and versions[i])
    return [
        is_asked and not (n_alike[opening[i]] >= _MIN_RELEASES or _NEWS.match(headings[i].title))
        for i, is_asked in enumerate(asks)
    ]


def _with_peers(headings: Sequence[Heading], asks: Sequence[bool]) -> list[bool]:
    """Adds headings that do not ask but stand between peers of which most do."""
    is_question = list(asks)
    for rank in {heading.rank for heading in headings}:
        peers = [i for i, heading in enumerate(headings) if heading.rank == rank]
        asking = [i for i in peers if asks[i]]
        if len(asking) < 2 or len(asking) < _MAJORITY * len(peers):
            continue
        # Outside the run of questions stand introductions and licences.
        for i in peers:
            is_question[i] = asking[0] <= i <= asking[-1]
    return is_question


def _section_ends(lines: Lines, headings: Sequence[Heading]) -> list[int]:
    """For each heading of a document, the first line of the next that is its peer or higher."""
    document_end = int(lines.first_line[headings[0].document + 1])
    ends = [document_end] * len(headings)
    open_headings: list[int] = []
    for i, heading in enumerate(headings):
        while open_headings and headings[open_headings[-1]].rank >= heading.rank:
            ends[open_headings.pop()] = heading.first_line
        open_headings.append(i)
    return ends


def _without_parts(
    headings: Sequence[Heading], is_question: Sequence[bool], ends: Sequence[int]
) -> list[int]:
    """Ends a section before its parts where they ask too: then it is a title, not a question."""
    cut = list(ends)
    for i in range(len(headings) - 1):
        following = headings[i + 1]
        if is_question[i] and is_question[i + 1] and following.first_line < ends[i]:
            cut[i] = following.first_line
    return cut


FAMILY = CueFamily(name=GAME, find=find)
