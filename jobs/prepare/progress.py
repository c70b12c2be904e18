"""How far a run is, from what is committed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.commit import is_committed
from schemas.words import counted

PLAIN_PROGRESS_SECONDS = 10


@contextmanager
def shown_progress(out: Path, mine: list[str], console: Console) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, a line now and then elsewhere; from what is committed."""
    waiting = set(mine)

    def committed() -> int:
        waiting.difference_update([each for each in waiting if is_committed(out, each)])
        return len(mine) - len(waiting)

    if console.is_terminal:
        columns = (TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TextColumn("chunks"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=len(mine), completed=committed())
            yield lambda: bar.update(task, completed=committed())
            bar.update(task, completed=committed())
        return
    spoken = time.monotonic()

    def tick() -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PLAIN_PROGRESS_SECONDS:
            spoken = time.monotonic()
            console.print(
                f"prepare: {committed()} of {counted(len(mine), 'chunk')}", highlight=False
            )

    yield tick
