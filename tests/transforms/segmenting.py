"""Short hands for tests of segmentation: documents in, spans with their text out."""

from typing import NamedTuple

import pyarrow as pa

from schemas.episode import DOCUMENTS
from transforms.segment import segment_documents


class Seen(NamedTuple):
    """A span with the text it covers."""

    kind: str
    player: int
    game: str
    episode: int | None
    turn: int | None
    text: str
    cue: str | None


def documents(*texts: str | None) -> pa.Table:
    """A documents table; None is a rejected document."""
    rows = [
        {"source": f"{i}.txt", "text": text, "reason": "not utf-8" if text is None else None}
        for i, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=DOCUMENTS)


def raw_spans(*texts: str | None) -> list[list[dict] | None]:
    """The spans of each document as they come."""
    return segment_documents(documents(*texts))["spans"].to_pylist()


def seen(text: str) -> list[Seen]:
    """The spans of one document with their texts."""
    data = text.encode()
    (spans,) = raw_spans(text)
    return [
        Seen(
            span["kind"],
            span["player"],
            span["game"],
            span["episode"],
            span["turn"],
            data[span["byte_start"] : span["byte_end"]].decode(),
            span["cue"],
        )
        for span in spans
    ]


def contents(text: str) -> list[tuple[str, str]]:
    """(kind, text) of questions, reasoning and answers."""
    return [
        (span.kind, span.text)
        for span in seen(text)
        if span.kind in ("question", "reasoning", "answer")
    ]


def pairs(text: str) -> list[tuple[str, ...]]:
    """The contents' texts, episode by episode."""
    episodes: dict[int, list[str]] = {}
    for span in seen(text):
        if span.kind in ("question", "reasoning", "answer"):
            episodes.setdefault(span.episode, []).append(span.text)
    return [tuple(texts) for texts in episodes.values()]


def games(text: str) -> set[str]:
    """The games of a document's episodes."""
    return {span.game for span in seen(text)} - {"text"}
