"""Steps that lead to a final answer: how they open, and the episodes they make."""

from schemas.episode import SegmentKind
from transforms.candidates import LinePattern
from transforms.cues.family import Content, Episode
from transforms.cues.final import Final
from transforms.cues.options import options_below
from transforms.episodes import trim
from transforms.lines import Lines

STEPS = LinePattern(
    r"(?i:^[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:are follow[ -]?up questions needed here[:?]"
    r"|(?:step|schritt|étape|paso|passo|шаг|第?步骤?)"
    r"[ \t]*(?:1|one|一)\b[ \t]*[*_]{0,2}[.:)—–-]))",
    words=("are", "step", "schritt", "étape", "paso", "passo", "шаг", "第", "步"),
)
"""Lines that open the first of several steps, or say that one asks oneself."""


def worked(question: Content, start: int, final: Final, opening: int, end: int) -> Episode:
    """An episode of a question, its reasoning from `start` on and a final answer."""
    contents = (
        question,
        Content(SegmentKind.REASONING, 1, start, final.label),
        Content(SegmentKind.ANSWER, 1, final.start, final.end),
    )
    return Episode(opening, max(end, final.end), contents, final.cue)


def with_options(lines: Lines, episode: Episode) -> Episode:
    """The options right below a question belong to it; where nothing else is, nobody reasons."""
    question, reasoning, *rest = episode.contents
    if reasoning.kind != SegmentKind.REASONING:
        return episode
    start = int(lines.start[lines.start.searchsorted(question.end - 1, side="right")])
    # The line of the answer's label too, or nothing would be below the options.
    found = options_below(lines, start, reasoning.end + 1)
    if found is None:
        return episode
    asked, reasoned = question._replace(end=found[0]), reasoning._replace(start=found[1])
    if trim(lines.data, found[1], reasoning.end)[0] < reasoning.end:
        return episode._replace(contents=(asked, reasoned, *rest))
    # "1. Add. 2. Divide." are steps.
    is_counted = (
        str(lines.data[start : found[0]], "utf-8", "ignore").lstrip(" \t>(*[-")[:1].isdigit()
    )
    return episode if is_counted else episode._replace(contents=(asked, *rest))
