"""How close predicted spans come to gold: F1 of questions, answers and pairs, players, faults.

White space and soft markers at a span's ends never count. In an episode of several questions each
question after an answer begins a new *unit*, so that an interview may be one episode or many. All
is counted by *content bytes*: bytes that are not white space, outside what a mask leaves out.
"""

import bisect
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.segmentation.gold import PLAYER_OF, Span

Range = tuple[int, int]

_WHITE = np.isin(np.arange(256), list(b" \t\r\n\x0b\x0c"))
_NEWLINE, _CONTINUES, _CONTINUED = 10, 0xC0, 0x80
LINKED = 0.8
"""A pair is found when this share of the larger side is common to both, question and response."""

_BEFORE, _AFTER = 4000, 400
"""A prediction may begin so many bytes before gold, and after its end, to be compared with it."""


class Mask:
    """Content bytes of a document, countable over any range."""

    def __init__(self, is_content: npt.NDArray[np.bool_]) -> None:
        self._at = np.flatnonzero(is_content)

    def hull(self, pieces: Sequence[Range]) -> Range | None:
        """From the first to past the last content byte of the pieces; None without content."""
        if not pieces:
            return None
        start, end = min(a for a, _ in pieces), max(b for _, b in pieces)
        first, last = np.searchsorted(self._at, (start, end))
        return (int(self._at[first]), int(self._at[last - 1]) + 1) if first < last else None

    def size(self, pieces: Iterable[Range]) -> int:
        """How many content bytes the pieces hold."""
        return sum(
            int(np.subtract(*np.searchsorted(self._at, (end, start))))
            for start, end in pieces
            if end > start
        )

    def overlap(self, some: Sequence[Range], others: Sequence[Range]) -> float:
        """The shared content over the larger side's."""
        both = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
        return self.size(both) / max(1, self.size(some), self.size(others))


class View:
    """A gold document's bytes under the masks that the measures need."""

    def __init__(self, data: bytes, gold: Sequence[Span]) -> None:
        content = ~_WHITE[np.frombuffer(data, np.uint8)]
        neutral = _covered(len(data), gold, lambda span: span.neutral)
        self.all = Mask(content)
        self.neutral = Mask(content & neutral)
        soft = _covered(len(data), gold, lambda span: span.soft)
        self.outside_soft = Mask(content & ~neutral & ~soft)
        marked = _covered(len(data), gold, lambda span: span.kind == "marker")
        self.is_bare = content & ~neutral & ~marked
        self.bare = Mask(self.is_bare)
        self._newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)

    def within_a_line(self, gold: Range, predicted: Range) -> bool:
        """Whether two ranges overlap and both their ends are at most a line apart."""
        ends = (gold[0], predicted[0], gold[1] - 1, predicted[1] - 1)
        line = np.searchsorted(self._newlines, ends)
        near = max(abs(line[0] - line[1]), abs(line[2] - line[3])) <= 1
        return predicted[0] < gold[1] and gold[0] < predicted[1] and bool(near)


def _covered(
    n_bytes: int, spans: Sequence[Span], wanted: Callable[[Span], bool]
) -> npt.NDArray[np.bool_]:
    covered = np.zeros(n_bytes, np.bool_)
    for span in spans:
        if wanted(span):
            covered[span.start : span.end] = True
    return covered


@dataclasses.dataclass(slots=True)
class Unit:
    """One question and its response, as byte ranges."""

    episode: int
    cue: str | None
    question: list[Range] = dataclasses.field(default_factory=list)
    reasoning: list[Range] = dataclasses.field(default_factory=list)
    answer: list[Range] = dataclasses.field(default_factory=list)

    @property
    def response(self) -> list[Range]:
        """Reasoning, then answer."""
        return self.reasoning + self.answer


def units_of(spans: Iterable[Span]) -> list[Unit]:
    """The units of all episodes, an episode's beside each other."""
    by_episode: dict[int, list[Unit]] = {}
    for span in spans:
        if span.episode is None or span.kind not in ("question", "reasoning", "answer"):
            continue
        found = by_episode.setdefault(span.episode, [Unit(span.episode, span.cue)])
        if span.kind == "question" and found[-1].question and found[-1].response:
            found.append(Unit(span.episode, found[0].cue))
        getattr(found[-1], span.kind).append((span.start, span.end))
    return [unit for found in by_episode.values() for unit in found]


def tiling_fault(spans: Sequence[Span], data: bytes) -> str | None:
    """What first keeps spans from tiling a document's bytes, or None."""
    position = 0
    for span in spans:
        if not position == span.start < span.end <= len(data):
            return f"at byte {position} of {len(data)} comes a span [{span.start}, {span.end})"
        owner = PLAYER_OF.get(span.kind)
        if owner is None or (span.kind != "marker" and span.player != owner):
            return f"at byte {span.start}: {span.kind!r} of player {span.player!r}"
        if span.player not in (0, 1, 2):
            return f"at byte {span.start}: player {span.player!r}"
        if span.kind != "marker" and (span.episode is None) != (span.kind == "text"):
            return f"at byte {span.start}: {span.kind!r} of episode {span.episode!r}"
        if data[span.start] & _CONTINUES == _CONTINUED:
            return f"at byte {span.start}: inside a character"
        position = span.end
    return None if position == len(data) else f"{position} of {len(data)} bytes are covered"


def tiled(spans: Iterable[Span], n_bytes: int) -> list[Span]:
    """Ascending spans that do not overlap, whatever came in; what is left out counts as text."""
    found, position = [], 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        start, end = max(position, span.start), min(n_bytes, span.end)
        if span.kind in PLAYER_OF and start < end:
            found.append(dataclasses.replace(span, start=start, end=end))
            position = end
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """Hits among gold and among predictions."""

    hits: int
    gold: int
    predicted: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 of nothing."""
        return 2 * self.hits / max(1, self.gold + self.predicted)


@dataclasses.dataclass
class Tally:
    """What is counted over the documents of a set."""

    n_bytes: int = 0
    n_documents: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    players: Counter[tuple[int, int]] = dataclasses.field(default_factory=Counter)
    """Content bytes by gold's and by the predicted player."""
    false_by_cue: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: list[tuple[str, Range]] = dataclasses.field(default_factory=list)
    """Documents and ranges of the questions whose pairs were not found."""
    false: list[tuple[str, Range]] = dataclasses.field(default_factory=list)

    def rate(self, name: str) -> Rate:
        """Counts of one measure: question_exact, question_line, response_line, link..."""
        part = name.split("_")[0]
        gold, predicted = (self.counts[f"{part}_{side}"] for side in ("gold", "predicted"))
        return Rate(self.counts[f"{name}_hits"], gold, predicted)

    @property
    def lossless(self) -> float:
        """The share of documents whose spans tile their bytes."""
        return 1 - len(self.faults) / max(1, self.n_documents)

    @property
    def player(self) -> float | None:
        """The share of content bytes that have the right player."""
        total = sum(self.players.values())
        return sum(self.players[p, p] for p in (0, 1, 2)) / total if total else None

    @property
    def boundary(self) -> float | None:
        """The share of reasoned pairs whose final answer begins where gold's does."""
        n_gold = self.counts["boundary_gold"]
        return self.counts["boundary_hits"] / n_gold if n_gold else None

    @property
    def false_per_mb(self) -> float:
        """Episodes that touch no gold episode, outside neutral text."""
        return self.counts["false"] / (self.n_bytes / 1e6) if self.n_bytes else 0.0

    def add(self, name: str, data: bytes, gold: Sequence[Span], predicted: Sequence[Span]) -> None:
        """Counts a document."""
        self.n_documents += 1
        self.n_bytes += len(data)
        fault = tiling_fault(predicted, data) if predicted or not data else "no spans"
        if fault:
            self.faults.append(f"{name}: {fault}")
        view, spans = View(data, gold), tiled(predicted, len(data))
        self._count_players(view, gold, spans, len(data))
        golds = units_of(gold)
        found = [unit for unit in units_of(spans) if not _is_neutral(view, unit)]
        self._count_false(name, golds, found)
        self._count_spans(view, golds, found)
        self._count_links(name, view, golds, found)
        self._count_boundaries(view, golds, found)

    def _count_players(
        self, view: View, gold: Sequence[Span], predicted: Sequence[Span], n_bytes: int
    ) -> None:
        owner = np.zeros((2, n_bytes), np.uint8)
        for row, spans in enumerate((gold, predicted)):
            for span in spans:
                owner[row, span.start : span.end] = span.player
        right, said = owner[:, view.is_bare].astype(np.int64)
        for code, count in enumerate(np.bincount(3 * right + said, minlength=9)):
            self.players[divmod(code, 3)] += int(count)

    def _count_false(self, name: str, golds: list[Unit], found: list[Unit]) -> None:
        spans = sorted(piece for unit in golds for piece in unit.question + unit.response)
        starts = [start for start, _ in spans]

        def touches(piece: Range) -> bool:
            last = bisect.bisect_left(starts, piece[1])
            return last > 0 and spans[last - 1][1] > piece[0]

        good = {u.episode for u in found if any(map(touches, u.question + u.response))}
        false = {unit.episode: unit for unit in found if unit.episode not in good}
        self.counts["false"] += len(false)
        self.false_by_cue.update(str(unit.cue) for unit in false.values())
        self.false += [(name, (u.question or u.response)[0]) for u in false.values()]

    def _count_spans(self, view: View, golds: list[Unit], found: list[Unit]) -> None:
        for part in ("question", "response", "answer"):
            gold, predicted = (
                [hull for unit in units if (hull := view.outside_soft.hull(getattr(unit, part)))]
                for units in (golds, found)
            )
            self.counts[f"{part}_gold"] += len(gold)
            self.counts[f"{part}_predicted"] += len(predicted)
            same = _paired(gold, predicted, lambda one, other: one == other)
            self.counts[f"{part}_exact_hits"] += same
            self.counts[f"{part}_line_hits"] += _paired(gold, predicted, view.within_a_line)

    def _count_links(self, name: str, view: View, golds: list[Unit], found: list[Unit]) -> None:
        whole = sorted((u for u in found if u.question and u.response), key=lambda u: u.question[0])
        starts, used = [unit.question[0][0] for unit in whole], set()
        for unit in golds:
            first = bisect.bisect_left(starts, unit.question[0][0] - _BEFORE)
            last = bisect.bisect_right(starts, unit.question[-1][1])
            for i in range(first, last):
                if (
                    i not in used
                    and view.bare.overlap(unit.question, whole[i].question) >= LINKED
                    and view.bare.overlap(unit.response, whole[i].response) >= LINKED
                ):
                    used.add(i)
                    break
            else:
                self.missed.append((name, (unit.question[0][0], unit.question[-1][1])))
        self.counts["link_gold"] += len(golds)
        self.counts["link_predicted"] += len(whole)
        self.counts["link_hits"] += len(used)

    def _count_boundaries(self, view: View, golds: list[Unit], found: list[Unit]) -> None:
        hulls = (view.bare.hull(unit.answer) for unit in found if unit.reasoning)
        begins = {hull[0] for hull in hulls if hull}
        for unit in golds:
            if unit.reasoning and unit.answer:
                hull = view.bare.hull(unit.answer)
                self.counts["boundary_gold"] += 1
                self.counts["boundary_hits"] += bool(hull and hull[0] in begins)


def _is_neutral(view: View, unit: Unit) -> bool:
    """Whether most of a unit's question lies in neutral text."""
    lead = unit.question or unit.response
    return 2 * view.neutral.size(lead) > view.all.size(lead)


def _paired(gold: list[Range], predicted: list[Range], same: Callable[[Range, Range], bool]) -> int:
    """How many gold ranges find a prediction of their own, in order."""
    predicted, used = sorted(predicted), set()
    starts = [start for start, _ in predicted]
    for one in sorted(gold):
        first = bisect.bisect_left(starts, one[0] - _BEFORE)
        last = bisect.bisect_right(starts, one[1] + _AFTER)
        for i in range(first, last):
            if i not in used and same(one, predicted[i]):
                used.add(i)
                break
    return len(used)
