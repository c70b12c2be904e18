"""metrics.jsonl: a line a step, kept in step with the checkpoints."""

import json
import math
from pathlib import Path
from typing import Any, TextIO

from pipeline.atomic import atomic_file
from schemas.parse import parsed_json

METRICS = "metrics.jsonl"


def metrics_after(folder: Path, done: int) -> TextIO:
    """Open a run's metrics for writing, cut back to the first `done` steps."""
    path = folder / METRICS
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        with atomic_file(path) as file:
            file.write(b"".join(line for line in lines if _step_of(line) <= done))
    return path.open("a")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run, one a step."""
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def _step_of(line: bytes) -> float:
    """The step of a line; one that was cut off is of none that is kept."""
    try:
        return int(parsed_json(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
