"""How a run of `duologue prepare` goes."""

import dataclasses
import re
from typing import Any

_SECRET = re.compile(r"key|secret|token|password|connection_string")
"""In the name of an option whose value nobody else is to see."""

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

    def noted(self) -> dict[str, Any]:
        """All of it, for people who look at an output; the values of secrets are left out.

        Example:
          >>> beam = ("--s3_region_name=x", "--s3_access_key_id=x", "--s3_session_token", "x")
          >>> PrepareOptions(tokenizer="train:300", beam=beam).noted()["beam"]
          ['--s3_region_name=x', '--s3_access_key_id=...', '--s3_session_token', '...']
        """
        beam, is_value = [], False
        for option in self.beam:
            name, equals, _ = option.partition("=")
            is_secret = option.startswith("--") and _SECRET.search(name) is not None
            hidden = f"{name}=..." if is_secret and equals else option
            beam.append("..." if is_value else hidden)
            is_value = is_secret and not equals
        return {**dataclasses.asdict(self), "beam": beam}
