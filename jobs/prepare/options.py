"""How a run of `duologue prepare` goes."""

import dataclasses
import re

_TRAIN = re.compile(r"train:([0-9]+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What decides how a run goes, but not what it writes.

    Attributes:
      tokenizer: a tokenizer.json, a model folder, or "train:N".
      eos: the end-of-turn token; None finds it.
      workers: local worker processes; None is one a core.
      which: (I, N) for every Nth chunk from the Ith, or None for all and the manifest.
      update: take changed inputs in.
      repair: make what is damaged again.
      beam: Beam's own options.
    """

    tokenizer: str
    eos: str | None = None
    workers: int | None = None
    which: tuple[int, int] | None = None
    update: bool = False
    repair: bool = False
    beam: tuple[str, ...] = ()

    @property
    def entries(self) -> int | None:
        """N of "train:N"; None for a tokenizer that is given."""
        found = _TRAIN.fullmatch(self.tokenizer)
        return int(found[1]) if found else None
