import dataclasses
import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

from jobs.compare.results import Results, Run
from jobs.compare.statistics import crossed_bootstrap, step_down
from jobs.compare.summary import Summary, Verdict, bits_per_byte, summarise, visible
from jobs.compare.tables import arm_rows, curve_points, game_rows, parted_points
from jobs.compare.wording import headline, print_summary
from schemas.errors import UserError
from tests.jobs.compare.making import (
    ARMS,
    EFFECTS,
    EQUAL_EFFECTS,
    HOSTILE,
    hostile_results,
    make_design,
    make_results,
    make_run,
)

BROKEN = [{"statement": "Content is the same.", "holds": False, "evidence": "token 7"}]


def comparison(summary: Summary, arm: str, reference: str):
    return next(
        each
        for each in summary.comparisons
        if (each.arm, each.reference, each.prompt) == (arm, reference, "raw")
    )


def without(results: Results, *names: str) -> Results:
    kept = [run for run in results.runs if run.name not in names]
    return dataclasses.replace(results, runs=kept)


def diverged(results: Results, name: str) -> Results:
    runs = [
        dataclasses.replace(run, nats=run.nats | {"raw": [math.nan, *run.nats["raw"][1:]]})
        if run.name == name
        else run
        for run in results.runs
    ]
    return dataclasses.replace(results, runs=runs)


def test_bits_per_byte_pools_over_cells():
    # 8 bits over 4 bytes; a mean over cells would be (6 / 1 + 2 / 3) / 2.
    nats, n_bytes = np.array([6.0, 2.0]) * np.log(2), np.array([1.0, 3.0])
    assert bits_per_byte(nats, n_bytes) == pytest.approx(2.0)


def test_difference_is_arm_minus_reference_by_seed():
    summary = summarise(make_results(noise=0.0))
    found = comparison(summary, "tags", "placebo")
    expected = EFFECTS["tags"] - EFFECTS["placebo"]
    assert found.differences == pytest.approx([expected] * 6)
    assert found.seeds == (0, 1, 2, 3, 4, 5)
    assert found.mean == pytest.approx(expected)


def test_own_formats_are_each_sides_own_prompt():
    results = make_results()
    own = next(each for each in summarise(results).comparisons if each.prompt == "tags")
    runs = {run.name: run for run in results.runs}
    n_bytes = np.array([cell["bytes"] for cell in results.design.test["cells"]])
    by_hand = [
        (sum(runs[f"tags-{seed}"].nats["tags"]) - sum(runs[f"raw-{seed}"].nats["raw"]))
        / (math.log(2) * n_bytes.sum())
        for seed in range(6)
    ]
    assert own.differences == pytest.approx(by_hand)


def test_primary_comes_first_and_is_tested_alone():
    results = make_results()
    reordered = make_results(contrasts=results.design.contrasts[::-1])
    summary = summarise(reordered)
    primary = summary.comparisons[0]
    assert primary is summary.primary
    assert primary.is_primary
    assert primary.p_adjusted == primary.statistics.p_sign_flip


def test_others_are_adjusted_together():
    summary = summarise(make_results(noise=0.004))
    family = summary.comparisons[1:]
    expected = step_down(np.array([each.differences for each in family]))
    assert [each.p_adjusted for each in family] == pytest.approx(list(expected))
    assert {each.n_family_seeds for each in family} == {6}


def test_family_is_over_the_seeds_that_all_of_it_have():
    summary = summarise(make_results(n_seeds=8, missing=[("swapped", 2), ("raw", 7)]))
    swapped, tags = comparison(summary, "swapped", "tags"), comparison(summary, "tags", "raw")
    assert (len(swapped.seeds), len(tags.seeds)) == (7, 7)
    assert swapped.n_family_seeds == tags.n_family_seeds == 6
    assert tags.p_adjusted >= 2 / 2**6


def test_contrast_of_few_seeds_leaves_the_family_whole():
    summary = summarise(make_results(missing=[("swapped", 2)]))
    few, other = comparison(summary, "swapped", "tags"), comparison(summary, "tags", "raw")
    assert (few.p_adjusted, few.n_family_seeds) == (None, 0)
    assert few.verdict == Verdict.TOO_FEW_SEEDS
    assert (other.n_family_seeds, other.verdict) == (6, Verdict.BETTER)


def test_margin_is_half_a_percent_of_raws_mean():
    results = make_results()
    raw = next(row for row in arm_rows(results) if row.arm == "raw")
    assert summarise(results).margin == pytest.approx(0.005 * raw.bits_per_byte["raw"])


def test_without_raw_nothing_is_equivalent():
    summary = summarise(
        make_results(effects=EQUAL_EFFECTS, missing=[("raw", seed) for seed in range(6)])
    )
    assert summary.margin is None
    assert summary.primary.statistics.p_equivalent is None
    assert summary.primary.verdict == Verdict.NOT_TOLD_APART


def test_bootstrap_draws_whole_sources():
    results = make_results(noise=0.004)
    found = comparison(summarise(results), "tags", "placebo")
    cells, n_sources = results.design.test["cells"], len(results.design.test["sources"])
    runs = {run.name: run.nats["raw"] for run in results.runs}
    nats, n_bytes = np.zeros((6, n_sources)), np.zeros(n_sources)
    for place, cell in enumerate(cells):
        n_bytes[cell["source"]] += cell["bytes"]
        for seed in range(6):
            difference = runs[f"tags-{seed}"][place] - runs[f"placebo-{seed}"][place]
            nats[seed, cell["source"]] += difference
    assert found.bootstrap == pytest.approx(crossed_bootstrap(nats, n_bytes))


# A run that is not there, one that failed, one whose numbers are no numbers.
@pytest.mark.parametrize(
    ("results", "what"),
    [
        (without(make_results(), "placebo-3"), "placebo-3 missing"),
        (make_results(failed={("placebo", 3): "killed"}), "placebo-3 failed"),
        (diverged(make_results(), "placebo-3"), "placebo-3 diverged"),
    ],
)
def test_seed_without_both_runs_is_left_out_by_name(results, what):
    found = comparison(summarise(results), "tags", "placebo")
    assert found.seeds == (0, 1, 2, 4, 5)
    assert found.absent == (what,)
    assert found.verdict == Verdict.TOO_FEW_SEEDS
    assert math.isfinite(found.mean)


def test_run_that_was_not_shown_the_prompt_is_left_out_by_name():
    design = make_design(6)
    contrast = design.contrasts[0] | {"prompt": "plain"}
    results = make_results(contrasts=[contrast])
    runs = [
        dataclasses.replace(run, nats={"raw": run.nats["raw"]}) if run.name == "tags-1" else run
        for run in results.runs
    ]
    found = summarise(dataclasses.replace(results, runs=runs)).primary
    assert found.absent == ("tags-1 without the plain prompt",)


def test_seeds_that_the_design_does_not_name_count_nowhere():
    results = make_results()
    later = [make_run(results.design, arm, 9, dict.fromkeys(ARMS, 5.0)) for arm in ARMS]
    with_later = dataclasses.replace(results, runs=[*results.runs, *later])
    assert summarise(with_later) == summarise(results)
    assert arm_rows(with_later) == arm_rows(results)
    assert curve_points(with_later, "train_bits_per_byte") == curve_points(
        results, "train_bits_per_byte"
    )


def test_more_seeds_than_the_exact_tests_take_are_refused():
    with pytest.raises(UserError, match="17 seeds: the exact tests take up to 16"):
        summarise(make_results(n_seeds=17))


NEAR = EFFECTS | {"tags": -0.002}

# What the primary contrast says: clear, clear but small, the other way, no difference seen in
# little and in much noise, few seeds.
SITUATIONS = {
    "better": (
        {},
        "Under the raw prompt, the tags arm changes bits per byte of held-out answers by −0.0136 "
        "(−1.29 %) against placebo (95 % interval −0.0156 to −0.0117, exact sign-flip p = 0.031, "
        "6 paired seeds): tags is better.",
    ),
    "small": (
        {"effects": NEAR, "noise": 0.0005},
        r"tags is better, by less than the margin of 0\.00528\.$",
    ),
    "worse": ({"effects": EFFECTS | {"tags": 0.02}}, r"by \+0\.0184 .*: tags is worse\.$"),
    "equivalent": (
        {"effects": EQUAL_EFFECTS},
        r"p = 0\.469, .*: the two are equivalent within the margin of ±0\.0053\.$",
    ),
    "open": (
        {"effects": EQUAL_EFFECTS, "noise": 0.02},
        r"interval −0\.\d+ to \+0\.\d+, .*: the two are not told apart\.$",
    ),
    "four": (
        {"n_seeds": 4},
        r"p = 0\.125, 4 paired seeds\): fewer than 6 paired seeds cannot tell the two apart\.$",
    ),
    "failed": (
        {"failed": {("placebo", 3): "killed"}},
        r"5 of 6 paired seeds, placebo-3 failed\): fewer than 6 paired seeds cannot tell",
    ),
    "one": (
        {"missing": [("placebo", seed) for seed in range(1, 6)]},
        r"\(1 of 6 paired seeds, placebo-1 missing, .*, so no interval\): fewer than 6",
    ),
    "none": (
        {"missing": [("placebo", seed) for seed in range(6)]},
        r"^The primary contrast, tags against placebo, cannot be computed: none of 6 seeds has "
        r"both runs \(placebo-0 missing, .*, placebo-5 missing\)\.$",
    ),
    "nothing": (
        {"missing": [(arm, seed) for arm in ARMS for seed in range(6)]},
        r"cannot be computed: .* and 6 more\)\.$",
    ),
    "trial": (
        {"is_trial": True},
        r"^A run of this size checks the pipeline and is no evidence: under the raw prompt, .* "
        r"6 paired seeds\)\.$",
    ),
    "broken": (
        {"invariants": BROKEN},
        r"^An invariant of the design does not hold, so this is no evidence: under .*\)\.$",
    ),
    "no primary": ({"contrasts": []}, r"^This design has no primary contrast\.$"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_headline_says_what_follows(situation):
    changes, expected = SITUATIONS[situation]
    said = headline(summarise(make_results(**changes)))
    if situation == "better":
        assert said == expected
    else:
        assert re.search(expected, said), said
    assert "\n" not in said


@pytest.mark.parametrize("changes", [{"is_trial": True}, {"invariants": BROKEN}])
def test_without_evidence_there_is_no_verdict(changes):
    summary = summarise(make_results(**changes))
    assert {each.verdict for each in summary.comparisons} == {Verdict.NO_EVIDENCE}


def test_what_cannot_be_computed_says_so_in_a_trial_too():
    summary = summarise(make_results(is_trial=True, missing=[("raw", seed) for seed in range(6)]))
    assert comparison(summary, "tags", "raw").verdict == Verdict.NOT_COMPUTED


def printed(results: Results, *, is_terminal: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(),
        width=80,
        force_terminal=is_terminal,
        color_system="standard" if is_terminal else None,
        _environ={},
    )
    print_summary(results, console)
    return console.file.getvalue().splitlines()


def test_terminal_shows_the_headline_and_a_line_a_contrast():
    results = make_results(failed={("placebo", 3): "killed"})
    first, *lines = printed(results)
    assert first == headline(summarise(results))
    assert len(lines) == len(results.design.contrasts)
    assert lines[0].startswith("primary    tags − placebo  raw prompt ")
    assert lines[0].endswith(" 5 seeds  5 seeds cannot reject (placebo-3 failed)")
    assert re.search(r"p 0\.031 \(adjusted 0\.031\)  6 seeds  better$", lines[1])


def test_pipe_gets_no_colours_and_a_terminal_does():
    results = make_results()
    assert "\x1b" not in "".join(printed(results))
    assert "\x1b" in "".join(printed(results, is_terminal=True))


def test_design_without_contrasts_is_one_line():
    assert len(printed(make_results(contrasts=[]))) == 1


def test_hostile_names_reach_no_terminal():
    design = make_design(6)
    name = f"tags{HOSTILE}\n"
    arms = [arm | {"name": name} if arm["name"] == "tags" else arm for arm in design.arms]
    contrasts = [each | {"arm": name} for each in design.contrasts if each["arm"] == "tags"]
    results = make_results(arms=arms, contrasts=contrasts)
    lines = printed(results)
    assert len(lines) == 1 + len(contrasts)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "".join(lines))


def test_visible_results_hold_no_control_characters_and_the_same_numbers():
    results = hostile_results()
    shown = visible(results)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800]", repr(shown)[1:])
    "".join(shown.lines()).encode()
    assert summarise(shown).primary.differences == summarise(results).primary.differences
    assert [[*run.nats.values()] for run in shown.runs] == [
        [*run.nats.values()] for run in results.runs
    ]


def test_matrix_is_the_mean_over_seeds_of_pooled_bits():
    results = make_results(failed={("tags", 0): "killed"})
    raw, tags, *_ = arm_rows(results)
    n_bytes = sum(cell["bytes"] for cell in results.design.test["cells"])
    by_hand = [
        sum(run.nats["plain"]) / math.log(2) / n_bytes
        for run in results.runs
        if run.arm == "tags" and not run.error
    ]
    assert tags.bits_per_byte["plain"] == pytest.approx(sum(by_hand) / 5)
    assert (raw.n_seeds, tags.n_seeds) == (6, 5)
    assert list(tags.bits_per_byte) == [prompt["name"] for prompt in results.design.prompts]


def test_prompt_that_an_arm_cannot_be_shown_has_no_number():
    raw, *_ = arm_rows(make_results())
    assert raw.bits_per_byte["tags"] is None
    assert raw.nats_per_delimiter["tags"] is None


def test_mean_of_games_counts_each_game_once():
    raw, *_ = arm_rows(make_results(noise=0.0))
    label, doctest = raw.by_game.values()
    assert label - doctest == pytest.approx(0.3, abs=0.15)
    assert raw.by_game_mean == pytest.approx((label + doctest) / 2)
    assert min(label, doctest) < raw.bits_per_byte["raw"] < max(label, doctest)


def test_delimiters_are_nats_a_token():
    tags = arm_rows(make_results(n_seeds=1))[1]
    assert tags.nats_per_delimiter["tags"] == pytest.approx(2031.4 / 2512)
    assert "plain" not in tags.nats_per_delimiter


def test_games_count_their_own_answers():
    design = make_design(6)
    rows = game_rows(design)
    cells = design.test["cells"]
    assert [row.game for row in rows] == design.test["games"]
    assert sum(row.bytes for row in rows) == sum(cell["bytes"] for cell in cells)
    assert rows[0].sources == len({cell["source"] for cell in cells if cell["game"] == 0})


def run_with_curve(results: Results, arm: str, seed: int, values: dict[int, float | None]) -> Run:
    curve = [
        {
            "step": step,
            "content_bytes": 100 * step,
            "train_bits_per_byte": value,
            "validation_bits_per_byte": value,
        }
        for step, value in values.items()
    ]
    return Run(design=results.design.digest, arm=arm, seed=seed, curve=curve)


@pytest.fixture
def with_curves():
    """Raw and tags from two seeds; a step is missing, without a number, or not finite."""
    empty = make_results(n_seeds=2, missing=[(arm, seed) for arm in ARMS for seed in range(2)])
    runs = [
        run_with_curve(empty, "raw", 0, {1: 3.0, 2: 2.0, 3: 1.0}),
        run_with_curve(empty, "raw", 1, {1: 5.0, 2: None, 3: 2.0}),
        run_with_curve(empty, "tags", 0, {1: 3.5, 3: 0.5}),
        run_with_curve(empty, "tags", 1, {1: math.inf, 2: 1.0, 3: 1.0}),
    ]
    return Results(design=empty.design, runs=runs)


def test_mean_curve_is_over_steps_that_all_seeds_have(with_curves):
    points = curve_points(with_curves, "validation_bits_per_byte")
    mean = [(p.arm, p.content_bytes, p.value) for p in points if p.seed is None]
    assert mean == [("raw", 100.0, 4.0), ("raw", 300.0, 1.5), ("tags", 300.0, 0.75)]
    assert len([p for p in points if p.seed == 1]) == 4


def test_parted_curves_are_paired_by_seed_and_step(with_curves):
    points = parted_points(with_curves, "raw")
    assert [(p.arm, p.seed, p.content_bytes, p.value) for p in points] == [
        ("tags", 0, 100, 0.5),
        ("tags", 0, 300, -0.5),
        ("tags", 1, 300, -1.0),
        ("tags", None, 300.0, -0.75),
    ]
