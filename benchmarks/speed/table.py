"""Tables of runs: tools beside one another, and duologue by forms of input and by workers."""

import csv
import dataclasses
import itertools
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.contenders import BASELINE
from benchmarks.speed.runs import HELP, Run, Trial

TOOLS = (
    *("tool", "MB", "MB/s", "from least to most", "marginal MB/s", "CPU s/MB", "peak MiB"),
    *("M text tokens", f"beside {BASELINE}", "control tokens", "remark"),
)
DETAILS = (
    *("input", "workers", "MB", "s", "MB/s", "CPU s/MB", "peak MiB", "first shard after s"),
    "remark",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of a trial, medians but for the peak of memory; all that its last run wrote."""

    trial: Trial
    last: Run
    speeds: list[float]
    seconds: float
    cpu_per_mb: float
    peak_mib: float
    first_shard_seconds: float | None

    @property
    def megabytes(self) -> float:
        """Of text, as it was."""
        return self.last.text_bytes / 1e6

    @property
    def speed(self) -> float:
        """MB of text a second, the median of runs."""
        return statistics.median(self.speeds)


def summaries(runs: Iterable[Run]) -> list[Summary]:
    """Of the trials of which a run succeeded; by size, then by speed, the fastest first."""
    found = [
        _summary(trial, group) for trial, group in _by_trial(run for run in runs if run.seconds)
    ]
    return sorted(found, key=lambda each: (each.trial.megabytes, -each.speed))


def _by_trial(runs: Iterable[Run]) -> list[tuple[Trial, list[Run]]]:
    ordered = sorted(runs, key=lambda run: run.trial)
    return [(key, list(group)) for key, group in itertools.groupby(ordered, lambda run: run.trial)]


def _summary(trial: Trial, runs: Sequence[Run]) -> Summary:
    first = [run.first_shard_seconds for run in runs if run.first_shard_seconds is not None]
    megabytes = runs[0].text_bytes / 1e6
    return Summary(
        trial=trial,
        last=runs[-1],
        speeds=[run.speed for run in runs],
        seconds=statistics.median(run.seconds for run in runs),
        cpu_per_mb=statistics.median(run.cpu_seconds for run in runs) / (megabytes or 1),
        peak_mib=max(run.peak_mib for run in runs),
        first_shard_seconds=statistics.median(first) if first else None,
    )


def tools_table(runs: Sequence[Run]) -> str:
    """All tools on the form that each reads best, and those that failed, as Markdown."""
    own = summaries(run for run in runs if run.is_own)
    rows = [_tool_row(each, own) for each in own]
    for trial, group in _by_trial(run for run in runs if run.failure):
        blank = [""] * (len(TOOLS) - 3)
        rows.append([trial.contender, str(trial.megabytes), *blank, f"failed: {group[0].failure}"])
    return _markdown(TOOLS, rows)


def _tool_row(each: Summary, own: Sequence[Summary]) -> list[str]:
    smaller = [
        other
        for other in own
        if other.trial.contender == each.trial.contender and other.megabytes < each.megabytes
    ]
    more = (
        (each.megabytes - smaller[-1].megabytes, each.seconds - smaller[-1].seconds)
        if smaller
        else (0, 0)
    )
    baseline = [
        other.last.text_tokens
        for other in own
        if other.trial.contender == BASELINE and other.trial.megabytes == each.trial.megabytes
    ]
    return [
        each.trial.contender,
        f"{each.megabytes:.0f}",
        f"{each.speed:.2f}",
        f"{min(each.speeds):.2f} to {max(each.speeds):.2f}",
        f"{more[0] / more[1]:.1f}" if more[1] > 0 else "",
        f"{each.cpu_per_mb:.3f}",
        f"{each.peak_mib:.0f}",
        f"{each.last.text_tokens / 1e6:.3f}",
        f"{each.last.text_tokens - baseline[0]:+,}" if baseline else "",
        f"{each.last.control_tokens:,}",
        each.last.remark,
    ]


def details_table(runs: Sequence[Run], contender: str) -> str:
    """A tool by forms of input and by workers, and its start-up alone, as Markdown."""
    rows = []
    for each in summaries(runs):
        if each.trial.contender == contender:
            first = each.first_shard_seconds
            rows.append(
                [
                    each.trial.form,
                    str(each.trial.workers),
                    f"{each.megabytes:.0f}",
                    f"{each.seconds:.1f}",
                    f"{each.speed:.2f}",
                    f"{each.cpu_per_mb:.3f}",
                    f"{each.peak_mib:.0f}",
                    "" if first is None else f"{first:.1f}",
                    each.last.remark,
                ]
            )
    for each in summaries(run for run in runs if run.trial.contender == HELP):
        rows.append([HELP, "", "", f"{each.seconds:.2f}", *[""] * 5])
    return _markdown(DETAILS, rows)


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---" if name in ("tool", "input", "remark") else "--:" for name in columns)
    lines = [f"| {' | '.join(columns)} |", f"|{rule}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def write_csv(path: Path, runs: Iterable[Run]) -> None:
    """A line a run."""
    flat: list[dict[str, Any]] = []
    for run in runs:
        row = dataclasses.asdict(run)
        flat.append({**row.pop("trial"), **row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
