"""What a reviewer accepts: paired seeds, exact sign flips, paired t.

The unit of replication is the paired seed: two arms trained from the same initialisation on the
same contexts in the same order. Everything here takes differences by seed, arm minus reference, in
the metric's unit, and draws nothing at random but for `detectable_effect`, whose seed is fixed.
"""

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

ALPHA = 0.05
MARGIN_SHARE = 0.005
"""Equivalence margin, as a share of the raw arm's mean."""

MIN_SEEDS = 6
"""With n seeds no two-sided sign flip is below 2^(1-n): 0.031 for 6, 0.0625 for 5."""

MAX_SEEDS = 16
"""All 2^n sign flips are listed."""

POWER = 0.8
_POWER_DRAWS = 2000
_SIMULATED_SEEDS = 10
_ROUNDING = 1e-12

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """What n paired differences tell.

    Attributes:
      n_seeds: n.
      mean: of the differences, in the metric's unit; negative means that the arm is better.
      low: lower end of the 95 % interval of the mean, by paired t with n - 1 degrees of freedom.
      high: its upper end.
      p_sign_flip: two-sided, exact, over all 2^n joint signs.
      p_adjusted: the same, adjusted for the family by step-down max-|t|; the primary contrast is
        tested alone, so for it this is p_sign_flip.
      p_t: two-sided, paired t; for comparison.
      p_equivalent: of two one-sided t tests against the margin; None without a margin.
      margin: the equivalence margin, in the metric's unit; None where there is none.
    """

    n_seeds: int
    mean: float
    low: float
    high: float
    p_sign_flip: float
    p_adjusted: float
    p_t: float
    p_equivalent: float | None
    margin: float | None


def contrast(
    differences: Floats, *, margin: float | None = None, p_adjusted: float | None = None
) -> Contrast:
    """Statistics of one contrast.

    Args:
      differences: float64 [n], by seed.
      margin: of equivalence, over 0.
      p_adjusted: what `step_down` gave it in its family; None for one that is tested alone.

    Raises:
      ValueError: with fewer than 2 or more than MAX_SEEDS differences, or one that is not finite.

    Example:
      >>> contrast(np.array([-1.0, -2.0, -1.5, -1.2, -1.7, -1.6])).p_sign_flip
      0.03125
    """
    _check(differences)
    n = len(differences)
    p_sign_flip = float(sign_flip(differences))
    low, high, p_t = _paired_t(differences)
    return Contrast(
        n_seeds=n,
        mean=float(differences.mean()),
        low=low,
        high=high,
        p_sign_flip=p_sign_flip,
        p_adjusted=p_sign_flip if p_adjusted is None else p_adjusted,
        p_t=p_t,
        p_equivalent=None if margin is None else _equivalence(differences, margin),
        margin=margin,
    )


def sign_flip(differences: Floats) -> Floats:
    """Exact two-sided p of the sign-flip test of the mean.

    p = #{signs in {-1, 1}^n : |mean(signs * d)| >= |mean(d)|} / 2^n.

    Args:
      differences: float64 [..., n].

    Returns:
      float64 [...], at least 2 / 2^n; 1 where a difference is not a number.
    """
    units = _units(differences)
    flipped = np.abs(units @ _signs(differences.shape[-1]).T)
    return _reaches(flipped, np.abs(units.sum(axis=-1))[..., None]).mean(axis=-1)


def step_down(differences: Floats) -> Floats:
    """Family-wise adjusted p of m contrasts over the same n seeds.

    Westfall and Young's step-down max-|t|: signs are flipped jointly, so that what contrasts have
    in common stays; each contrast, the largest |t| first, is compared with the greatest |t| of
    those not yet passed, and no p is below one before it. |t| is compared by |u|, which it grows
    with and which is finite where all differences are equal.

    Args:
      differences: float64 [m, n].

    Returns:
      float64 [m].

    Source: Westfall, Young (1993), Resampling-Based Multiple Testing, algorithm 2.8.
    """
    if not len(differences):
        return np.zeros(0)
    units = _units(differences)
    flipped = np.abs(_signs(differences.shape[1]) @ units.T)
    observed = np.abs(units.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    # Column k: the greatest |u| of the contrasts from the kth largest on.
    rest = np.maximum.accumulate(flipped[:, order[::-1]], axis=1)[:, ::-1]
    p = _reaches(rest, observed[order]).mean(axis=0)
    adjusted = np.empty(len(differences))
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def crossed_bootstrap(
    nats: Floats, n_bytes: Floats, *, n_draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of a difference in bits per byte, seeds and sources drawn anew together.

    A check of sensitivity to the choice of sources, and no more: over 6 seeds such an interval
    covers about 87 %, not 95.

    Args:
      nats: float64 [n, s], difference of nats by seed and source.
      n_bytes: float64 [s], answer bytes of each source.
      n_draws: how often to draw.
      seed: of the draws.

    Returns:
      The 2.5 and 97.5 percentiles.
    """
    draw = np.random.default_rng(seed)
    n, s = nats.shape
    means = np.empty(n_draws)
    for i in range(n_draws):
        seeds, sources = draw.integers(n, size=n), draw.integers(s, size=s)
        means[i] = nats[seeds][:, sources].mean(axis=0).sum() / n_bytes[sources].sum() / np.log(2)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@functools.cache
def detectable_effect(n_seeds: int) -> float:
    """The mean difference, in standard deviations of a difference, found with a power of POWER.

    For normal differences at ALPHA: the exact sign-flip test by simulation with fixed draws, and
    past 10 seeds, where the two agree within 1 %, the paired t test by its formula.

    Returns:
      Standard deviations; infinite where no sign flip can reach ALPHA.
    """
    if n_seeds < MIN_SEEDS:
        return math.inf
    if n_seeds > _SIMULATED_SEEDS:
        return float(optimize.brentq(lambda d: _t_power(d, n_seeds) - POWER, 0.1, 4.0))
    noise = np.random.default_rng(0).standard_normal((_POWER_DRAWS, n_seeds))

    def power(effect: float) -> float:
        return float((sign_flip(noise + effect) <= ALPHA).mean()) - POWER

    return float(optimize.brentq(power, 0.0, 10.0, xtol=1e-3))


def _t_power(effect: float, n: int) -> float:
    """Of the two-sided paired t test at ALPHA, for an effect in standard deviations."""
    # t^2 is F; for t itself scipy has no number far out in the tails.
    critical = stats.f.isf(ALPHA, 1, n - 1)
    return float(stats.ncf.sf(critical, 1, n - 1, n * effect**2))


@functools.cache
def _signs(n: int) -> Floats:
    """float64 [2^n, n], all vectors of signs."""
    return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)


def _units(differences: Floats) -> Floats:
    """Differences over sqrt(n sum d^2), float64 [..., n]; zeros stay zeros.

    Their sum u has |u| <= 1 and t^2 = (n - 1) u^2 / (1 - u^2); flips of signs leave the divisor.
    """
    scale = np.abs(differences).max(axis=-1, keepdims=True)
    scaled = differences / np.where(scale == 0, 1.0, scale)
    length = np.sqrt(differences.shape[-1] * (scaled**2).sum(axis=-1, keepdims=True))
    return scaled / np.where(length == 0, 1.0, length)


def _reaches(flipped: Floats, observed: Floats) -> npt.NDArray[np.bool_]:
    """Which |u| of flipped signs are as great as what was observed; none is less than no number."""
    # Sums of the same numbers in another order differ in their last bits.
    return ~(flipped < observed - _ROUNDING)


def _paired_t(differences: Floats) -> tuple[float, float, float]:
    """(low, high, p): the 95 % interval of the mean and the two-sided p of a mean of 0."""
    n, mean, error = _moments(differences)
    if error == 0:
        return mean, mean, float(mean == 0)
    half = float(stats.t.ppf(1 - ALPHA / 2, n - 1)) * error
    return mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, n - 1))


def _equivalence(differences: Floats, margin: float) -> float:
    """The greater p of two one-sided t tests: mean > -margin and mean < margin."""
    n, mean, error = _moments(differences)
    if error == 0:
        return float(abs(mean) >= margin)
    return float(stats.t.sf((margin - abs(mean)) / error, n - 1))


def _moments(differences: Floats) -> tuple[int, float, float]:
    """(n, mean, standard error of the mean); the error is 0 where it is nothing but rounding."""
    n, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return n, mean, error if error > _ROUNDING * abs(mean) else 0.0


def _check(differences: Floats) -> None:
    if not 2 <= len(differences) <= MAX_SEEDS:
        msg = f"{len(differences)} paired seeds: the tests take 2 to {MAX_SEEDS}"
        raise ValueError(msg)
    if not np.isfinite(differences).all():
        msg = f"differences {differences}: leave out runs whose numbers are not finite"
        raise ValueError(msg)
