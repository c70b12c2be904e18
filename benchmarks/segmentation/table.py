"""Figures of sets as a table for people and as rows for JSON."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.segmentation.measures import Rate, Tally

COLUMNS = (
    *("docs", "pairs", "MB", "lossless", "q-exact", "q±1line", "a±1line", "link"),
    *("boundary", "final", "player", "false/MB"),
)
_COUNTED, _POOLED = 3, COLUMNS.index("false/MB")
_RATES = ("question_exact", "question_line", "response_line", "link")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A set's figures by one segmenter, in the order of COLUMNS."""

    name: str
    source: str
    kind: str
    held_out: bool
    values: tuple[float | None, ...]


def row_of(meta: dict[str, Any], tally: Tally) -> Row:
    """The row of a set from its meta.json and what was counted."""
    rates: list[float | None] = [None] * len(_RATES)
    if meta["pairs"]:
        rates = [tally.rate(name).f1 for name in _RATES]
    final = tally.rate("answer_exact").f1 if tally.boundary is not None else None
    values = (
        *(tally.n_documents, meta["pairs"], tally.n_bytes / 1e6, tally.lossless, *rates),
        *(tally.boundary, final, tally.player, tally.false_per_mb),
    )
    return Row(meta["name"], meta["source"], meta["kind"], meta["held_out"], values)


def mean_row(name: str, rows: Sequence[Row]) -> Row:
    """Sources weigh alike, whatever their number of sets; false/MB is pooled by bytes."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    values = []
    for i in range(len(COLUMNS)):
        column = [float(value) for row in rows if (value := row.values[i]) is not None]
        if i < _COUNTED:
            values.append(sum(column))
        elif i == _POOLED:
            values.append(
                sum(r.values[i] * r.values[2] for r in rows) / sum(r.values[2] for r in rows)
            )
        else:
            means = (_mean(row.values[i] for row in group) for group in by_source.values())
            values.append(_mean(means))
    kind, held_out = rows[0].kind, rows[0].held_out
    return Row(name, "", kind, held_out, tuple(values))


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Sets by kind, each kind with its mean; the held-out ones apart."""
    print(f"\n{title:24}" + "".join(f"{column:>9}" for column in COLUMNS))
    for held_out in (False, True):
        for kind in ("pairs", "qca", "negative"):
            some = [row for row in rows if row.kind == kind and row.held_out == held_out]
            for row in some:
                _print_row(row)
            if some:
                _print_row(mean_row(f"MEAN {kind}{' held out' * held_out}", some))


def markdown(rows: Sequence[Row], naive: Sequence[Row]) -> str:
    """A table for docs/: our figures, the naive baseline's link and false episodes beside them."""
    lines = [
        "| set | documents | pairs | MB | link | boundary | final | player | false/MB"
        " | naive link | naive false/MB |",
        "|---|" + "--:|" * 10,
    ]
    names = ("docs", "pairs", "MB", "link", "boundary", "final", "player", "false/MB")
    by_name = {row.name: row for row in naive}
    for held_out in (False, True):
        for kind in ("pairs", "qca", "negative"):
            some = [row for row in rows if row.kind == kind and row.held_out == held_out]
            others = [by_name[row.name] for row in some]
            if some:
                title = f"**mean {kind}{', held out' * held_out}**"
                some, others = [*some, mean_row(title, some)], [*others, mean_row("", others)]
            for row, other in zip(some, others, strict=True):
                cells = [_cell(name, row.values[COLUMNS.index(name)]) for name in names]
                cells += [_cell(n, other.values[COLUMNS.index(n)]) for n in ("link", "false/MB")]
                lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _print_row(row: Row) -> None:
    cells = "".join(f"{_cell(column, v):>9}" for column, v in zip(COLUMNS, row.values, strict=True))
    print(f"{row.name:24}{cells}", flush=True)


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    if column in ("docs", "pairs"):
        return f"{value:.0f}"
    return f"{value:.2f}" if column in ("MB", "false/MB") else f"{value:.3f}"


def counts_of(tally: Tally) -> dict[str, Any]:
    """All that was counted, for JSON: hits, precision and recall, players, false by cue."""
    rates = {name: tally.rate(name) for name in (*_RATES, "answer_exact")}
    return {
        **{name: dataclasses.asdict(rate) | shares(rate) for name, rate in rates.items()},
        "boundary": tally.boundary,
        "player": tally.player,
        "false": tally.counts["false"],
        "false_by_cue": dict(tally.false_by_cue.most_common()),
        "faults": tally.faults[:20],
    }


def shares(rate: Rate) -> dict[str, float]:
    """F1, precision and recall."""
    return {
        "f1": rate.f1,
        "precision": rate.hits / max(1, rate.predicted),
        "recall": rate.hits / max(1, rate.gold),
    }
