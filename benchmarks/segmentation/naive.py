"""The naive segmenter, a floor to compare with: labels where a text has them, else questions.

Q: and A: labels that begin lines, where a document has both; otherwise every line after a blank
one that ends in a question mark, answered by all up to the next such line.
"""

import re
from collections.abc import Iterator

from benchmarks.segmentation.gold import PLAYER_OF, Span

_LABEL = re.compile(r"^[ \t]*(?:(Q|Question)|(?:A|Answer))[ \t]*[0-9]*[.:][ \t]+", re.MULTILINE)
_ASKS = re.compile(r"(?:\A|(?<=\n\n))[ \t]*(\S[^\n]{5,150}\?)[ \t]*\n")

Mark = tuple[int, int, str, int | None, str | None]


def segment_naively(text: str) -> list[Span]:
    r"""The spans of a document, which tile it.

    Example:
      >>> [(s.kind, s.start, s.end) for s in segment_naively("Q: Why?\nA: So.")]
      [('marker', 0, 3), ('question', 3, 8), ('marker', 8, 11), ('answer', 11, 14)]
    """
    spans: list[Span] = []
    at = byte = 0
    for start, end, kind, episode, cue in (*_marks(text), (len(text), len(text), "", None, None)):
        pieces = ((at, start, "text", None, None), (start, end, kind, episode, cue))
        for first, last, kind_, episode_, cue_ in pieces:
            if first < last:
                size = len(text[first:last].encode())
                spans.append(
                    Span(
                        start=byte,
                        end=byte + size,
                        kind=kind_,
                        player=PLAYER_OF[kind_],
                        episode=episode_,
                        cue=cue_,
                    )
                )
                at, byte = last, byte + size
    return spans


def _marks(text: str) -> Iterator[Mark]:
    labels = list(_LABEL.finditer(text))
    if any(label[1] for label in labels) and not all(label[1] for label in labels):
        yield from _labelled(text, labels)
        return
    heads = list(_ASKS.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for episode, head in enumerate(heads):
        yield (*head.span(1), "question", episode, "?")
        yield head.end(1), ends[episode], "answer", episode, "?"


def _labelled(text: str, labels: list[re.Match[str]]) -> Iterator[Mark]:
    episode = -1
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        episode += bool(label[1])
        if episode >= 0:
            kind = "question" if label[1] else "answer"
            yield (*label.span(), "marker", episode, label[0].strip())
            yield label.end(), end, kind, episode, label[0].strip()
