"""Steps that lead to a final answer: how they open, and the episodes they make."""

from schemas.episode import SegmentKind
from transforms.candidates import LinePattern, beginnings
from transforms.cues.family import Content, Episode
from transforms.cues.final import Final
from transforms.cues.options import options_below
from transforms.episodes import trim
from transforms.lines import Lines

STEPS = LinePattern(
    r"(?i:^[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:are follow[ -]?up questions needed here[:?]"
    r"|(?:step|schritt|étape|paso|passo|шаг|第?步骤?)"
    r"[ \t]*(?:1|one|一)\b[ \t]*[*_]{0,2}[.:)—–-]))",
    opens=(*"#*_", *beginnings(["are", "step", "schritt", "étape", "paso", "шаг", "第步", "步骤"])),
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
    """The options right below a question belong to it."""
    question, reasoning, *rest = episode.contents
    if reasoning.kind != SegmentKind.REASONING:
        return episode
    start = int(lines.start[lines.start.searchsorted(question.end - 1, side="right")])
    found = options_below(lines, start, reasoning.end)
    if found is None or trim(lines.data, found[1], reasoning.end)[0] >= reasoning.end:
        return episode
    asked, reasoned = question._replace(end=found[0]), reasoning._replace(start=found[1])
    return episode._replace(contents=(asked, reasoned, *rest))
