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
from pipeline.tape import Tape
from schemas.errors import UserError
from schemas.words import counted

PLAIN_PROGRESS_SECONDS = 10

REMOTE_SECONDS = 10
"""Between two looks at an object store: it is listed for each, a thousand records a request."""

LOOK_SHARE = 20
"""Looks at what is committed are at least so many times as far apart as one takes."""


def commits_counted(out: Place, mine: Tape[str], *, is_whole: bool) -> Callable[[], int]:
    """Says how many chunks of a run are committed; may be asked often, and looks now and then.

    Args:
      out: the output.
      mine: digests of the run's chunks, the committed ones too.
      is_whole: no other chunks can be committed: millions of names need not be compared.
    """
    names = None if is_whole else set(mine)
    known, look_again = 0, 0.0

    def n_done() -> int:
        nonlocal known, look_again
        began = time.monotonic()
        if began >= look_again:
            there = committed(out)
            known = len(there if names is None else there.intersection(names))
            # Millions take seconds to list: a twentieth of the time is enough for that.
            look_again = began + LOOK_SHARE * (time.monotonic() - began)
        return known

    return n_done


@contextmanager
def shown_progress(
    n_done: Callable[[], int], n_chunks: int, console: Console
) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, a line now and then elsewhere.

    Args:
      n_done: of `commits_counted`.
      n_chunks: of the run. When it is over without an error, all of them are committed.
      console: where to.
    """
    if console.is_terminal:
        columns = (TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TextColumn("chunks"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=n_chunks, completed=n_done())
            yield lambda: bar.update(task, completed=n_done())
            bar.update(task, completed=n_chunks)
        return
    spoken = time.monotonic()

    def tick() -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PLAIN_PROGRESS_SECONDS:
            spoken = time.monotonic()
            console.print(f"prepare: {n_done()} of {counted(n_chunks, 'chunk')}", highlight=False)

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
