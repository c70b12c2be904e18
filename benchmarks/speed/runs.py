"""What is run, and what each run gave; saved as JSON, one dataclass a run."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HELP = "duologue --help"
"""Stands for a contender in the trial of start-up alone."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Trial:
    """A command that is run several times.

    Attributes:
      megabytes: of text that were asked for; 0 where nothing is read.
      contender: its name.
      form: of the corpus.
      workers: processes.
    """

    megabytes: int
    contender: str
    form: str
    workers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a trial; what is not known of one that failed is 0.

    Attributes:
      trial: what was run.
      is_own: by the form that the tool is compared on, with the workers of all.
      text_bytes: of the corpus; `documents` likewise.
      load: the machine's load average before it, over a minute; what ran before is in it.
      others_cores: that anything else on the machine kept busy meanwhile.
      seconds: of the whole command; `cpu_seconds` of all its processes.
      peak_mib: of memory, all processes.
      first_shard_seconds: until the first chunk was committed; only of duologue.
      text_tokens: that it wrote; `control_tokens` stood beside them.
      remark: to be shown.
      failure: why there is nothing else.
    """

    trial: Trial
    is_own: bool
    text_bytes: int = 0
    documents: int = 0
    load: float = 0.0
    others_cores: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    first_shard_seconds: float | None = None
    text_tokens: int = 0
    control_tokens: int = 0
    remark: str = ""
    failure: str = ""

    @property
    def speed(self) -> float:
        """MB of text a second."""
        return self.text_bytes / 1e6 / self.seconds


def save(path: Path, machine: dict[str, Any], runs: Iterable[Run]) -> None:
    """Write all that is known, so that tables can be made of it again."""
    saved = {"machine": machine, "runs": [dataclasses.asdict(run) for run in runs]}
    path.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> tuple[dict[str, Any], list[Run]]:
    """What was saved."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    runs = [Run(**{**each, "trial": Trial(**each["trial"])}) for each in saved["runs"]]
    return saved["machine"], runs
