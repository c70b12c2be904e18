import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.compare.statistics import (
    ALPHA,
    MAX_SEEDS,
    MIN_SEEDS,
    contrast,
    crossed_bootstrap,
    detectable_effect,
    sign_flip,
    step_down,
)

values = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 3))


def differences_of(n_contrasts, n_seeds):
    return st.lists(
        st.lists(values, min_size=n_seeds, max_size=n_seeds),
        min_size=n_contrasts,
        max_size=n_contrasts,
    ).map(np.array)


families = st.integers(1, 4).flatmap(lambda m: differences_of(m, 6))


def normal(shape, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, shape)


# Clear, weak and no effects; few and many seeds.
@pytest.mark.parametrize("n", [2, 5, 6, 9, 12])
@pytest.mark.parametrize("mean", [0.0, 0.4, -3.0])
def test_sign_flip_is_scipys_exact_permutation_test(n, mean):
    differences = normal(n, seed=n, mean=mean)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_sign_flip_takes_many_samples_at_once():
    many = normal((3, 5, 7))
    assert np.array_equal(sign_flip(many), [[sign_flip(each) for each in row] for row in many])


# All signs alike give the smallest p there is, whatever the sizes.
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
@pytest.mark.parametrize("n", [MIN_SEEDS, MAX_SEEDS])
def test_smallest_p_is_two_flips_of_all(n, scale):
    assert sign_flip(scale * (1 + np.arange(n))) == 2 / 2**n


@given(differences_of(1, 6).map(lambda rows: rows[0]))
@example(np.array([0.1, -0.1, 0.1, -0.1, 0.3, -0.3]))
@example(np.zeros(6))
def test_sign_flip_ignores_signs_and_order_alike(differences):
    p = sign_flip(differences)
    assert sign_flip(-differences) == p
    assert sign_flip(np.sort(differences)) == p
    assert 2 / 2**6 <= p <= 1


def test_seeds_that_are_no_numbers_reject_nothing():
    differences = np.array([np.nan, 1, 2, 3, 4, 5])
    assert sign_flip(differences) == 1
    with pytest.raises(ValueError, match="not finite"):
        contrast(differences)


def brute_force_step_down(differences):
    """Westfall and Young's definition by loops over flips, and scipy's t."""

    def t(sample):
        return abs(float(stats.ttest_1samp(sample, 0).statistic))

    m, n = differences.shape
    flips = [np.array(signs) * differences for signs in itertools.product((1, -1), repeat=n)]
    left, passed, adjusted = set(range(m)), 0.0, {}
    while left:
        first = max(left, key=lambda i: t(differences[i]))
        reached = [max(t(flip[i]) for i in left) >= t(differences[first]) - 1e-9 for flip in flips]
        passed = max(passed, sum(reached) / len(flips))
        adjusted[first] = passed
        left.remove(first)
    return [adjusted[i] for i in range(m)]


# Independent contrasts, two that share a reference, and one that is clear among others.
@pytest.mark.parametrize(
    "differences",
    [
        normal((3, 6), seed=1),
        np.stack([normal(6, seed=2) - normal(6, seed=4), normal(6, seed=3) - normal(6, seed=4)]),
        normal((4, 5), seed=5) + np.array([[3.0], [0.0], [1.0], [0.5]]),
    ],
)
def test_step_down_is_its_definition(differences):
    assert step_down(differences) == pytest.approx(brute_force_step_down(differences), abs=1e-12)


@given(families)
@example(np.array([[1.0] * 6, [0.0] * 6, [1.0, -1.0] * 3]))
def test_adjusted_p_is_never_below_the_raw_one(differences):
    assert (step_down(differences) >= sign_flip(differences) - 1e-12).all()


@given(families)
def test_adjusted_p_falls_with_t(differences):
    size = np.abs(differences.sum(axis=1)) / np.sqrt((differences**2).sum(axis=1).clip(1e-9))
    p = step_down(differences)[np.argsort(-size, kind="stable")]
    assert (np.diff(p) >= -1e-12).all()


@settings(deadline=None)
@given(families.flatmap(lambda d: st.tuples(st.just(d), st.permutations(range(len(d))))))
def test_adjusted_p_follows_its_contrast_in_any_order(drawn):
    differences, order = drawn
    assert step_down(differences[order]) == pytest.approx(step_down(differences)[order], abs=1e-12)


@given(differences_of(1, 6))
def test_family_of_one_is_the_plain_test(differences):
    assert step_down(differences) == pytest.approx(sign_flip(differences), abs=1e-12)


def test_family_of_none_has_no_p():
    assert step_down(np.zeros((0, 6))).shape == (0,)


def test_joint_flips_cost_less_than_bonferroni():
    differences = normal((1, 6), seed=8, mean=1) + 1e-3 * normal((5, 6), seed=9)
    assert (step_down(differences) < 5 * sign_flip(differences)).all()


@pytest.mark.parametrize("n", [2, 4, 6, 11, 16])
def test_interval_and_p_are_those_of_scipys_paired_t(n):
    differences = normal(n, seed=n, mean=0.7)
    theirs = stats.ttest_1samp(differences, 0)
    low, high = theirs.confidence_interval(1 - ALPHA)
    found = contrast(differences)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_t == pytest.approx(theirs.pvalue)
    assert found.mean == pytest.approx(differences.mean())
    assert found.n_seeds == n


# Inside the margin, beyond it on either side, and with no difference at all in the seeds.
@pytest.mark.parametrize("mean", [0.0, 0.3, -0.3, 2.0, -2.0])
@pytest.mark.parametrize("margin", [0.5, 1.5])
def test_equivalence_is_two_one_sided_t_tests(mean, margin):
    differences = 0.3 * normal(8, seed=3) + mean
    lower = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert contrast(differences, margin=margin).p_equivalent == pytest.approx(max(lower, upper))


# Equal differences have no spread: what they say is certain, rounding or not.
@pytest.mark.parametrize(
    ("value", "margin", "expected"), [(0.1, 0.2, 0.0), (0.1, 0.05, 1.0), (0.0, 0.2, 0.0)]
)
def test_equal_differences_are_certain(value, margin, expected):
    found = contrast(np.full(7, value), margin=margin)
    assert found.p_equivalent == expected
    assert found.low == found.high == pytest.approx(value)
    assert found.p_t == (value == 0)


def test_primary_is_tested_alone_and_others_take_the_familys_p():
    differences = normal(6, mean=2)
    assert contrast(differences).p_adjusted == contrast(differences).p_sign_flip
    assert contrast(differences, p_adjusted=0.25).p_adjusted == 0.25
    assert contrast(differences).p_equivalent is None


@pytest.mark.parametrize("n", [0, 1, MAX_SEEDS + 1])
def test_too_few_and_too_many_seeds_are_refused(n):
    with pytest.raises(ValueError, match=f"{n} paired seeds"):
        contrast(np.ones(n))


def test_detectable_effect_falls_with_seeds():
    effects = [detectable_effect(n) for n in range(MIN_SEEDS, MAX_SEEDS + 1)]
    assert effects == sorted(effects, reverse=True)
    assert len(set(effects)) == len(effects)


def test_no_effect_is_detectable_where_no_p_is_small_enough():
    assert detectable_effect(MIN_SEEDS - 1) == float("inf")


def test_detectable_effect_is_found_as_often_as_promised():
    effect = detectable_effect(8)
    p = sign_flip(normal((4000, 8), seed=12) + effect)
    assert (p <= ALPHA).mean() == pytest.approx(0.8, abs=0.03)


def test_bootstrap_of_equal_sources_and_seeds_is_a_point():
    n_bytes = np.full(5, 100.0)
    nats = np.full((6, 5), 0.01 * 100 * np.log(2))
    assert crossed_bootstrap(nats, n_bytes) == pytest.approx((0.01, 0.01))


def test_bootstrap_widens_where_sources_disagree():
    n_bytes = np.full(20, 100.0)
    by_seed = np.repeat(normal((6, 1), seed=1), 20, axis=1)
    by_both = by_seed + 20 * normal((1, 20), seed=2)
    narrow, wide = (crossed_bootstrap(nats, n_bytes) for nats in (by_seed, by_both))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert crossed_bootstrap(by_both, n_bytes) == wide
