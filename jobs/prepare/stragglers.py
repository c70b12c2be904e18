"""Names the chunks that a run waits for, when nothing has been committed for long."""

import time
from collections.abc import Callable, Sequence

from pipeline.changes import NAMED
from pipeline.commit import committed
from pipeline.plan import Chunk
from pipeline.remote import Place
from schemas.words import counted

LONG = 3
"""Times the longest wait between two commits, or for the first."""

LONG_SECONDS = 10.0
"""At least."""

LOOK_SECONDS = 1.0


def stragglers_named(
    out: Place, chunks: Sequence[Chunk], say: Callable[[str], None]
) -> Callable[[], None]:
    """What to call now and then while a run commits; it names each wait once.

    Nobody knows which worker of an engine has which chunk: what is named is all that is left, so
    the fewer there are left the more it tells.

    Args:
      out: the output.
      chunks: of the run, the committed ones too.
      say: called with a line for the person.
    """
    n_done = len(committed(out).intersection(chunk.digest for chunk in chunks))
    looked = since = time.monotonic()
    # Until the first commit nobody knows what is long.
    longest, is_said = 0.0, True

    def look() -> None:
        nonlocal n_done, looked, since, longest, is_said
        now = time.monotonic()
        if now - looked < LOOK_SECONDS:
            return
        looked, done = now, committed(out)
        left = [chunk for chunk in chunks if chunk.digest not in done]
        if len(chunks) - len(left) != n_done:
            n_done = len(chunks) - len(left)
            longest = max(longest, now - since)
            since, is_said = now, False
        elif left and not is_said and now - since > max(LONG * longest, LONG_SECONDS):
            is_said = True
            say(_words(left, len(chunks), now - since))

    return look


def _words(left: Sequence[Chunk], n_chunks: int, seconds: float) -> str:
    """Example: nothing committed for 40 s; waiting for 2 of 9 chunks: a.txt and 3 more files, b."""
    names = [_name(chunk) for chunk in left[:NAMED]]
    more = [f"{len(left) - NAMED} more"] * (len(left) > NAMED)
    return (
        f"nothing committed for {seconds:.0f} s; waiting for {len(left)} of "
        f"{counted(n_chunks, 'chunk')}: {', '.join(names + more)}"
    )


def _name(chunk: Chunk) -> str:
    first, *others = chunk.ranges
    begin = f" from {first.start}" if first.start else ""
    more = f" and {counted(len(others), 'more file')}" if others else ""
    return f"{first.relative}{begin}{more}"
