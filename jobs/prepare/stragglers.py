"""Names the chunks that a run waits for, when nothing has been committed for long."""

import time
from collections.abc import Callable, Iterable
from itertools import islice

from pipeline.changes import NAMED
from pipeline.commit import committed
from pipeline.plan import Chunk, Plan
from pipeline.remote import Place
from schemas.words import counted

LONG = 3
"""Times the longest wait between two commits, or for the first."""

LONG_SECONDS = 10.0
"""At least."""

LOOK_SECONDS = 1.0


def stragglers_named(
    out: Place,
    plan: Plan,
    which: tuple[int, int],
    n_done: Callable[[], int],
    say: Callable[[str], None],
) -> Callable[[], None]:
    """What to call now and then while a run commits; it names each wait once.

    Nobody knows which worker of an engine has which chunk: what is named is all that is left, so
    the fewer there are left the more it tells.

    Args:
      out: the output.
      plan: of all chunks.
      which: (I, N), the slice of it that the run does.
      n_done: how many of those are committed.
      say: called with a line for the person.
    """
    known = n_done()
    looked = since = time.monotonic()
    # Until the first commit nobody knows what is long.
    longest, is_said = 0.0, True

    def look() -> None:
        nonlocal known, looked, since, longest, is_said
        now = time.monotonic()
        if now - looked < LOOK_SECONDS:
            return
        looked, before, known = now, known, n_done()
        if known != before:
            longest = max(longest, now - since)
            since, is_said = now, False
        elif not is_said and now - since > max(LONG * longest, LONG_SECONDS):
            is_said = True
            if words := _words(committed(out), islice(plan.chunks, which[0], None, which[1])):
                say(f"nothing committed for {now - since:.0f} s; waiting for {words}")

    return look


def _words(done: set[str], chunks: Iterable[Chunk]) -> str | None:
    """Example: 6 of 9 chunks: a.txt and 3 more files, b.txt, c.txt, d.txt, e.txt, 1 more."""
    n_chunks, n_left, names = 0, 0, []
    for chunk in chunks:
        n_chunks += 1
        if chunk.digest not in done:
            n_left += 1
            names += [_name(chunk)] * (n_left <= NAMED)
    names += [f"{n_left - NAMED} more"] * (n_left > NAMED)
    of_run = counted(n_chunks, "chunk")
    return f"{n_left} of {of_run}: {', '.join(names)}" if n_left else None


def _name(chunk: Chunk) -> str:
    first, *others = chunk.ranges
    begin = f" from {first.start}" if first.start else ""
    more = f" and {counted(len(others), 'more file')}" if others else ""
    return f"{first.relative}{begin}{more}"
