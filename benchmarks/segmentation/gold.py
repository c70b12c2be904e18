"""Gold: documents whose spans are known from markup, written and read as folders of text.

A set is SET/docs/NAME.txt, SET/gold.jsonl (spans that tile each document, in the form of
`duologue segment`, so that gold is also a perfect prediction) and SET/meta.json. It is built at run
time and never stored with the project. Offsets are bytes of UTF-8.
"""

import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PLAYER_OF = {"text": 0, "marker": 0, "question": 1, "reasoning": 2, "answer": 2}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of a document, gold or predicted."""

    start: int
    end: int
    kind: str
    player: int
    episode: int | None = None
    cue: str | None = None
    soft: bool = False
    """A marker that may as well be in the span beside it: a number, an underline, `**`."""
    neutral: bool = False
    """Neither right nor wrong to segment: doctests among negatives, a question without answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    text: str
    kind: str
    episode: int | None
    soft: bool
    neutral: bool


class GoldDocument:
    r"""A document put together of parts; offsets follow from what was put before.

    Example:
      >>> document = GoldDocument("a")
      >>> document.pair("Why?", "So.", before="Q: ", between="\nA: ", after="\n")
      >>> [(span.kind, span.start, span.end) for span in document.spans()][:3]
      [('marker', 0, 3), ('question', 3, 7), ('marker', 7, 11)]
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_episodes = 0
        self._parts: list[_Part] = []
        self._expected: list[tuple[int, str, str]] = []

    def add(
        self,
        text: str,
        kind: str = "text",
        episode: int | None = None,
        *,
        soft: bool = False,
        neutral: bool = False,
    ) -> None:
        """Puts a part at the end; parts alike become one span."""
        if not text:
            return
        part = _Part(text, kind, episode, soft, neutral)
        if self._parts and dataclasses.replace(self._parts[-1], text=text) == part:
            part = dataclasses.replace(part, text=self._parts.pop().text + text)
        self._parts.append(part)

    def open_episode(self, question: str | None = None, answer: str | None = None) -> int:
        """The number of a new episode.

        Args:
          question: the markup's own string; its letters must be those of the question's span.
          answer: the same for all that player two says.
        """
        number = self.n_episodes
        self.n_episodes += 1
        for side, text in (("question", question), ("answer", answer)):
            if text is not None:
                self._expected.append((number, side, text))
        return number

    def pair(
        self, question: str, answer: str, *, before: str = "", between: str = "\n", after: str = ""
    ) -> None:
        """Adds a question and its answer between labels."""
        episode = self.open_episode(question, answer)
        self.add(before, "marker", episode)
        self.add(question, "question", episode)
        self.add(between, "marker", episode)
        self.add(answer, "answer", episode)
        self.add(after)

    @property
    def text(self) -> str:
        """The whole document."""
        return "".join(part.text for part in self._parts)

    def spans(self) -> Iterator[Span]:
        """The spans, which tile the document."""
        start = 0
        for part in self._parts:
            end = start + len(part.text.encode())
            yield Span(
                start=start,
                end=end,
                kind=part.kind,
                player=PLAYER_OF[part.kind],
                episode=part.episode,
                soft=part.soft,
                neutral=part.neutral,
            )
            start = end

    def check(self, data: bytes) -> int:
        """Slices the spans back from a document's bytes and compares them with the markup.

        Returns:
          How many strings of the markup were compared.

        Raises:
          ValueError: where they differ, or where an episode lacks a question or an answer.
        """
        said: dict[tuple[int, str], str] = {}
        end = 0
        for span, part in zip(self.spans(), self._parts, strict=True):
            end = span.end
            if data[span.start : end].decode() != part.text:
                msg = (
                    f"{self.name}: [{span.start}, {end}) does not slice back to {part.text[:40]!r}"
                )
                raise ValueError(msg)
            if span.player and span.episode is not None:
                side = "question" if span.kind == "question" else "answer"
                key = (span.episode, side)
                said[key] = said.get(key, "") + part.text
        if end != len(data):
            msg = f"{self.name}: spans cover {end} of {len(data)} bytes"
            raise ValueError(msg)
        for episode in range(self.n_episodes):
            for side in ("question", "answer"):
                if not said.get((episode, side), "").strip():
                    msg = f"{self.name}: episode {episode} has no {side}"
                    raise ValueError(msg)
        for episode, side, text in self._expected:
            if letters(text) != letters(said[episode, side]):
                found = said[episode, side][:60]
                msg = f"{self.name}: the markup's {side} {text[:60]!r} became {found!r}"
                raise ValueError(msg)
        return len(self._expected)


def letters(text: str) -> str:
    """A text's letters, without case: what no rendering changes."""
    return "".join(character for character in text if character.isalpha()).casefold()


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldSet:
    """Documents of one kind from one source."""

    name: str
    source: str
    """Sets of one source count once in a mean."""
    kind: str
    """pairs, qca (question, reasoning, answer) or negative."""
    note: str
    documents: tuple[GoldDocument, ...]
    held_out: bool = False
    """Nobody writes rules on it."""


def write_set(gold: GoldSet, folder: Path) -> dict[str, Any]:
    """Writes a set below a folder, checked; returns what its meta.json holds.

    Raises:
      ValueError: if a document's spans do not slice back, or two documents share a name.
    """
    target = folder / gold.name
    shutil.rmtree(target, ignore_errors=True)
    (target / "docs").mkdir(parents=True)
    rows, n_compared, size_bytes = [], 0, 0
    for document in gold.documents:
        path = target / "docs" / f"{document.name}.txt"
        if path.exists():
            msg = f"{gold.name}: two documents are named {document.name!r}"
            raise ValueError(msg)
        path.write_bytes(document.text.encode())
        data = path.read_bytes()
        n_compared += document.check(data)
        size_bytes += len(data)
        rows += [span_row(f"{gold.name}/docs/{path.name}", span) for span in document.spans()]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (target / "gold.jsonl").write_text(lines, encoding="utf-8")
    meta = {
        "name": gold.name,
        "source": gold.source,
        "kind": gold.kind,
        "held_out": gold.held_out,
        "note": gold.note,
        "documents": len(gold.documents),
        "pairs": sum(document.n_episodes for document in gold.documents),
        "bytes": size_bytes,
        "compared": n_compared,
    }
    (target / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return meta


def span_row(document: str, span: Span) -> dict[str, Any]:
    """A span as a line of gold.jsonl has it."""
    row = {"document": document, **dataclasses.asdict(span)}
    return {key: value for key, value in row.items() if key not in ("soft", "neutral") or value}


def read_spans(lines: Iterable[str]) -> dict[str, list[Span]]:
    """Spans by document, in the lines' order; a document goes by its last three path parts."""
    names = {field.name for field in dataclasses.fields(Span)}
    found: dict[str, list[Span]] = {}
    for line in lines:
        row = json.loads(line)
        key = "/".join(Path(row["document"]).parts[-3:])
        found.setdefault(key, []).append(Span(**{k: v for k, v in row.items() if k in names}))
    return found
