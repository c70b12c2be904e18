"""What a comparison is asked to be: arms, seeds, prompts and contrasts."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from jobs.compare.arms import ARMS
from jobs.compare.statistics import MAX_SEEDS, MIN_SEEDS
from jobs.train.loop import TrainConfig
from schemas.errors import UserError

RAW = "raw"
"""The arm, and the prompt, without delimiters."""

SPELLED = "plain"
"""Prompt, and scheme, whose delimiters are ordinary text, which no arm is trained on."""

CUES = ("stripped", "kept")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """What a comparison is asked to be.

    Attributes:
      model: of jobs.train.policy.new_policy.
      arms: names of ARMS, the order of the report.
      n_seeds: paired seeds, 0..n_seeds - 1.
      cues: one of CUES: whether native labels ("Q:") are left in the text.
      train: of every run; its seed is set by run.

    Raises:
      UserError: arms or seeds that no contrast can be made of.
    """

    model: str
    arms: tuple[str, ...]
    n_seeds: int
    cues: str
    train: TrainConfig

    def __post_init__(self) -> None:
        """Refuse designs that cannot reject anything."""
        if unknown := [name for name in self.arms if name not in ARMS]:
            msg = f"--arms {unknown[0]}: expected some of {', '.join(ARMS)}"
            raise UserError(msg)
        if len(set(self.arms)) != len(self.arms) or len(self.arms) < 2:
            msg = f"--arms {','.join(self.arms)}: name at least two arms, each once"
            raise UserError(msg)
        if self.cues not in CUES:
            msg = f"--cues {self.cues}: expected one of {', '.join(CUES)}"
            raise UserError(msg)
        if not MIN_SEEDS <= self.n_seeds <= MAX_SEEDS:
            msg = (
                f"--seeds {self.n_seeds}: expected {MIN_SEEDS} to {MAX_SEEDS}; with n seeds the "
                f"smallest p of a two-sided sign flip is 2^(1-n), over 0.05 below {MIN_SEEDS}"
            )
            raise UserError(msg)

    @property
    def schemes(self) -> tuple[str, ...]:
        """The delimiter schemes that the arms need."""
        return tuple(dict.fromkeys(scheme for scheme in map(scheme_of, self.arms) if scheme))


def prompts(arms: Iterable[str]) -> dict[str, str]:
    """All prompts by name, with what is put around the answers."""
    own = {arm: f"{ARMS[arm].description}, as the {arm} arm was trained" for arm in arms}
    return {
        RAW: "no delimiters",
        **{arm: words for arm, words in own.items() if arm != RAW},
        SPELLED: 'spelled as ordinary text: "Question: ", "Answer: "; no arm was trained on it',
    }


def prompts_of(arm: str, arms: Iterable[str]) -> list[str]:
    """The prompts that an arm can be shown: those whose control tokens it was trained on.

    The raw prompt has none, and spelled delimiters are ordinary text.
    """
    known = (None, scheme_of(arm))
    return [name for name in prompts(arms) if name == SPELLED or scheme_of(name) in known]


def contrasts(arms: tuple[str, ...]) -> list[dict[str, Any]]:
    """The contrasts of some arms: arm minus reference, in bits per byte of answers.

    The primary one is tags - placebo under the raw prompt where both are there, else the first
    under the raw prompt in the order below, else the first arm against the second.
    """
    under_raw = [("tags", "placebo"), ("tags", "raw"), ("placebo", "raw"), ("swapped", "tags")]
    under_raw += [("eos", "raw")]
    in_own = [(arm, "raw") for arm in arms if arm != "raw"]
    in_own += [("tags", "placebo"), ("tags", "swapped")]
    pairs = [pair for pair in under_raw if set(pair) <= set(arms)] or [arms[:2]]
    found = [_contrast(f"{one} - {two}, raw prompt", (one, RAW), (two, RAW)) for one, two in pairs]
    found += [
        _contrast(f"{one} - {two}, own formats", (one, one), (two, two))
        for one, two in in_own
        if one in arms and two in arms
    ]
    found[0]["is_primary"] = True
    return found


def _contrast(name: str, arm: tuple[str, str], reference: tuple[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "arm": arm[0],
        "reference": reference[0],
        "prompt": arm[1],
        "reference_prompt": reference[1],
        "is_primary": False,
    }


def scheme_of(arm: str) -> str | None:
    """The delimiter scheme of an arm."""
    return ARMS[arm].scheme
