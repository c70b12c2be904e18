"""Ctrl-C and SIGTERM while a policy learns: a wish that is granted between two steps."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch

from jobs.train.ranks import Ranks

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Raised below `stop_wanted` to grant the wish.

    Attributes:
      number: the signal that asked for it.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def stop_wanted(
    ranks: Ranks, say: Callable[[str], None]
) -> Iterator[Callable[[], signal.Signals | None]]:
    """Yields a function that tells, after a step and on every rank alike, by which signal to stop.

    `Stopped` gives that signal its ordinary effect. So has a second signal, for a step may take
    long. Not under torchrun, which passes on to its processes what they had from the terminal
    already.

    Args:
      ranks: who takes part.
      say: called with a line for the person.
    """
    asked: set[int] = set()

    def ask(number: int, _: object) -> None:
        if not asked:
            say("stopping after this step, with a checkpoint; once more: at once")
        asked.add(number)
        if ranks.n_ranks == 1:
            restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wanted() -> signal.Signals | None:
        # One rank that went on alone would wait for the others for ever.
        n_asked = ranks.sum(torch.tensor([int(number in asked) for number in SIGNALS]))
        return next((number for number, n in zip(SIGNALS, n_asked, strict=True) if n), None)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield wanted
    except Stopped as stopped:
        restore()
        signal.raise_signal(stopped.number)
        raise
    finally:
        restore()
