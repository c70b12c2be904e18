"""What a comparison found: its contrasts in numbers, and what follows from each.

Results in, numbers out; words and pictures are made of them elsewhere. A difference is arm minus
reference by paired seed, in bits per byte of held-out answers, so below 0 the arm is better.
"""

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.compare.results import Design, Results, Run
from jobs.compare.statistics import (
    ALPHA,
    MARGIN_SHARE,
    MAX_SEEDS,
    MIN_SEEDS,
    Contrast,
    Floats,
    contrast,
    crossed_bootstrap,
    step_down,
)
from jobs.view import escape
from schemas.errors import UserError

RAW = "raw"
"""Name of the arm without delimiters, and of the prompt without them."""


class Verdict(enum.StrEnum):
    """What follows from a contrast."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NOT_TOLD_APART = "not told apart"
    TOO_FEW_SEEDS = "too few seeds"
    NOT_COMPUTED = "not computed"
    NO_EVIDENCE = "no evidence"
    """A trial, or an invariant of the design does not hold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One contrast of the design, over the seeds of which both runs are done.

    Attributes:
      name: of the contrast.
      arm: what is compared.
      reference: with what.
      prompt: what the arm is shown.
      reference_prompt: what the reference is shown.
      is_primary: it is tested alone, not in the family of the others.
      seeds: the paired seeds.
      differences: by seed, bits per byte.
      reference_mean: of the reference over the same seeds, bits per byte; None without seeds.
      statistics: None for fewer than 2 seeds.
      n_family_seeds: seeds over which p_adjusted was found, 0 where it was not: a secondary
        contrast with fewer than MIN_SEEDS seeds does not join the family, whose seeds are those
        that all of it have.
      content_mean: the mean difference among tokens that are no control tokens, bits per byte: what
        is left when no model pays for expecting a delimiter; None where the runs do not know.
      bootstrap: interval over seeds and sources together, in bits per byte.
      absent: the runs of the other seeds, with what became of them.
      verdict: what follows.
      is_within_margin: equivalent at ALPHA, whatever else it is.
    """

    name: str
    arm: str
    reference: str
    prompt: str
    reference_prompt: str
    is_primary: bool
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    reference_mean: float | None
    statistics: Contrast | None
    n_family_seeds: int
    content_mean: float | None
    bootstrap: tuple[float, float] | None
    absent: tuple[str, ...]
    verdict: Verdict
    is_within_margin: bool

    @property
    def mean(self) -> float | None:
        """Of the differences, bits per byte."""
        return sum(self.differences) / len(self.differences) if self.differences else None

    @property
    def p_adjusted(self) -> float | None:
        """For its family; None where it is in none."""
        return self.statistics.p_adjusted if self.statistics and self.n_family_seeds else None


_NAMED = ("name", "arm", "reference", "prompt", "reference_prompt", "is_primary")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """All contrasts, the primary one first.

    Attributes:
      comparisons: in the design's order but for the primary one.
      margin: of equivalence, bits per byte; None without a done run of the raw arm.
      n_seeds: seeds of the design.
      is_trial: a run of this size is no evidence.
      broken: statements of invariants that do not hold.
    """

    comparisons: tuple[Comparison, ...]
    margin: float | None
    n_seeds: int
    is_trial: bool
    broken: tuple[str, ...]

    @property
    def primary(self) -> Comparison | None:
        """The primary contrast; None in a design without one."""
        return next((each for each in self.comparisons if each.is_primary), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Paired:
    """Seeds of a contrast with both runs, in nats by cell; and the runs that others lack."""

    seeds: list[int]
    nats: Floats
    """float64 [seeds, cells], arm minus reference."""
    content_nats: Floats | None
    """The same among tokens that are no control tokens; None where a run does not know."""
    reference_nats: Floats
    absent: list[str]


def summarise(results: Results) -> Summary:
    """The statistics of all contrasts.

    Raises:
      UserError: for more seeds than the exact tests take.
    """
    design = results.design
    if len(design.seeds) > MAX_SEEDS:
        msg = f"{len(design.seeds)} seeds: the exact tests take up to {MAX_SEEDS}"
        raise UserError(msg)
    broken = tuple(each["statement"] for each in design.invariants if not each["holds"])
    contrasts = sorted(design.contrasts, key=lambda each: not each["is_primary"])
    paired = [_pair(each, results) for each in contrasts]
    adjusted = _adjusted(contrasts, paired, answer_bytes(design))
    margin = _margin(results)
    is_evidence = not (design.is_trial or broken)
    return Summary(
        comparisons=tuple(
            _compare(*each, margin=margin, design=design, is_evidence=is_evidence)
            for each in zip(contrasts, paired, adjusted, strict=True)
        ),
        margin=margin,
        n_seeds=len(design.seeds),
        is_trial=design.is_trial,
        broken=broken,
    )


def visible(results: Results) -> Results:
    """The same with control and bidirectional characters in all strings as visible symbols.

    Names and texts come from a corpus; what is made of them for a person starts here.
    """
    design = Design(**_visible(dataclasses.asdict(results.design)))
    runs = [Run(**_visible(dataclasses.asdict(run))) for run in results.runs]
    return Results(design=design, runs=runs)


def answer_bytes(design: Design) -> Floats:
    """float64 [cells], bytes of the answers of each cell."""
    return np.array([cell["bytes"] for cell in design.test["cells"]], np.float64)


def bits_per_byte(nats: Floats, n_bytes: Floats) -> Floats:
    """Pooled nats over ln 2 times pooled bytes.

    Args:
      nats: float64 [..., cells].
      n_bytes: float64 [cells].

    Returns:
      float64 [...].

    Example:
      >>> float(bits_per_byte(np.array([6.0, 2.0]) * np.log(2), np.array([3.0, 1.0])))
      2.0
    """
    return nats.sum(axis=-1) / (math.log(2) * n_bytes.sum())


def fault(run: Run) -> str | None:
    """Why a run's numbers can't be used; None if they can."""
    if run.error is not None:
        return "failed"
    is_finite = all(math.isfinite(each) for nats in run.nats.values() for each in nats)
    return None if is_finite else "diverged"


def done_runs(results: Results) -> list[Run]:
    """The runs that count: of the design's seeds, done, with numbers that are finite."""
    return [run for run in results.runs if run.seed in results.design.seeds and not fault(run)]


def _visible(value: Any) -> Any:  # noqa: ANN401 JSON
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {_visible(key): _visible(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(each) for each in value]
    return value


def _pair(wanted: dict[str, Any], results: Results) -> _Paired:
    runs = {(run.arm, run.seed): run for run in results.runs}
    sides = (wanted["arm"], wanted["prompt"]), (wanted["reference"], wanted["reference_prompt"])
    seeds, nats, absent = [], [], []
    for seed in results.design.seeds:
        faults = [_absence(runs.get((arm, seed)), arm, seed, prompt) for arm, prompt in sides]
        if any(faults):
            absent += filter(None, faults)
        else:
            seeds.append(seed)
            nats.append([runs[arm, seed].nats[prompt] for arm, prompt in sides])
    shape = (len(seeds), 2, len(results.design.test["cells"]))
    values = np.array(nats, np.float64).reshape(shape)
    reserve = [runs[arm, seed].reserve_nats.get(prompt) for seed in seeds for arm, prompt in sides]
    content = None
    if reserve and None not in reserve:
        content = values - np.array(reserve, np.float64).reshape(shape)
    return _Paired(
        seeds=seeds,
        nats=values[:, 0] - values[:, 1],
        content_nats=None if content is None else content[:, 0] - content[:, 1],
        reference_nats=values[:, 1],
        absent=absent,
    )


def _absence(run: Run | None, arm: str, seed: int, prompt: str) -> str | None:
    name = f"{arm}-{seed}"
    if run is None:
        return f"{name} missing"
    if why := fault(run):
        return f"{name} {why}"
    return None if prompt in run.nats else f"{name} without the {prompt} prompt"


def _adjusted(
    contrasts: Sequence[dict[str, Any]], paired: Sequence[_Paired], n_bytes: Floats
) -> list[tuple[float | None, int]]:
    """By contrast, p adjusted for the family and the seeds it is of; (None, 0) outside it."""
    family = [
        place
        for place, (each, pair) in enumerate(zip(contrasts, paired, strict=True))
        if not each["is_primary"] and len(pair.seeds) >= MIN_SEEDS
    ]
    common = set.intersection(*(set(paired[place].seeds) for place in family)) if family else set()
    found: list[tuple[float | None, int]] = [(None, 0)] * len(contrasts)
    if not common:
        return found
    differences = [
        bits_per_byte(paired[place].nats[[seed in common for seed in paired[place].seeds]], n_bytes)
        for place in family
    ]
    for place, p in zip(family, step_down(np.array(differences)), strict=True):
        found[place] = float(p), len(common)
    return found


def _margin(results: Results) -> float | None:
    raw = [run.nats[RAW] for run in done_runs(results) if run.arm == RAW and RAW in run.nats]
    if not raw:
        return None
    mean = bits_per_byte(np.array(raw), answer_bytes(results.design)).mean()
    return MARGIN_SHARE * float(mean)


def _compare(
    wanted: dict[str, Any],
    pair: _Paired,
    adjusted: tuple[float | None, int],
    *,
    margin: float | None,
    design: Design,
    is_evidence: bool,
) -> Comparison:
    n_bytes = answer_bytes(design)
    differences = bits_per_byte(pair.nats, n_bytes)
    p_adjusted, n_family_seeds = adjusted
    statistics = bootstrap = None
    if len(pair.seeds) >= 2:
        statistics = contrast(differences, margin=margin, p_adjusted=p_adjusted)
        bootstrap = crossed_bootstrap(*_by_source(pair.nats, design))
    is_tested = wanted["is_primary"] or n_family_seeds >= MIN_SEEDS
    p_equivalent = statistics.p_equivalent if statistics else None
    is_within = p_equivalent is not None and p_equivalent <= ALPHA
    verdict = _verdict(len(pair.seeds), statistics if is_tested else None, is_within=is_within)
    return Comparison(
        **{name: wanted[name] for name in _NAMED},
        seeds=tuple(pair.seeds),
        differences=tuple(differences.tolist()),
        reference_mean=_mean(bits_per_byte(pair.reference_nats, n_bytes)),
        statistics=statistics,
        n_family_seeds=len(pair.seeds) if wanted["is_primary"] else n_family_seeds,
        content_mean=None
        if pair.content_nats is None
        else _mean(bits_per_byte(pair.content_nats, n_bytes)),
        bootstrap=bootstrap,
        absent=tuple(pair.absent),
        verdict=verdict if is_evidence or not pair.seeds else Verdict.NO_EVIDENCE,
        is_within_margin=is_within,
    )


def _verdict(n_seeds: int, tested: Contrast | None, *, is_within: bool) -> Verdict:
    """What follows; `tested` is None for a contrast outside the family."""
    if n_seeds == 0:
        return Verdict.NOT_COMPUTED
    if tested is None or n_seeds < MIN_SEEDS:
        return Verdict.TOO_FEW_SEEDS
    if tested.p_adjusted <= ALPHA:
        return Verdict.BETTER if tested.mean < 0 else Verdict.WORSE
    return Verdict.EQUIVALENT if is_within else Verdict.NOT_TOLD_APART


def _by_source(nats: Floats, design: Design) -> tuple[Floats, Floats]:
    """Nats [seeds, sources] and bytes [sources] of the cells together, by source."""
    place_of_source = np.array([cell["source"] for cell in design.test["cells"]])
    sources, place = np.unique(place_of_source, return_inverse=True)
    is_of = (place[:, None] == np.arange(len(sources))).astype(np.float64)
    return nats @ is_of, answer_bytes(design) @ is_of


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
