"""Ctrl-C and SIGTERM while a policy learns: a wish that is granted between two steps."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch

from jobs.train.ranks import Ranks

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_wanted(ranks: Ranks, say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yields a function that tells, after a step and on every rank alike, whether to stop.

    A second signal has its ordinary effect, for a step may take long. Not under torchrun, which
    passes on to its processes what they had from the terminal already.

    Args:
      ranks: who takes part.
      say: called with a line for the person.
    """
    asked = threading.Event()

    def ask(*_: object) -> None:
        if not asked.is_set():
            say("stopping after this step, with a checkpoint; once more: at once")
        asked.set()
        if ranks.n_ranks == 1:
            restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wanted() -> bool:
        # One rank that went on alone would wait for the others for ever.
        return bool(ranks.sum(torch.tensor([int(asked.is_set())])))

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield wanted
    finally:
        restore()
