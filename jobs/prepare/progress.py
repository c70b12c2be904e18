"""How far a run is, from what is committed."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.commit import committed
from pipeline.remote import Place, RemotePath
from schemas.errors import UserError
from schemas.words import counted

PLAIN_PROGRESS_SECONDS = 10

REMOTE_SECONDS = 10
"""Between two looks at an object store: it is listed for each, a thousand records a request."""


@contextmanager
def shown_progress(out: Place, mine: list[str], console: Console) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, a line now and then elsewhere; from what is committed."""

    def n_done() -> int:
        return len(committed(out).intersection(mine))

    if console.is_terminal:
        columns = (TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TextColumn("chunks"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=len(mine), completed=n_done())
            yield lambda: bar.update(task, completed=n_done())
            bar.update(task, completed=n_done())
        return
    spoken = time.monotonic()

    def tick() -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PLAIN_PROGRESS_SECONDS:
            spoken = time.monotonic()
            console.print(f"prepare: {n_done()} of {counted(len(mine), 'chunk')}", highlight=False)

    yield tick


@contextmanager
def looking(out: Place, look: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """What to call several times a second so that `look` is called as often as it may be.

    An object store is looked at now and then, beside what is done meanwhile: it may take its time,
    or be gone, and the end of a job is not to wait for it.
    """
    if not isinstance(out, RemotePath):
        yield look
        return
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(REMOTE_SECONDS):
            with contextlib.suppress(UserError, FileNotFoundError):
                look()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield lambda: None
    finally:
        is_over.set()
