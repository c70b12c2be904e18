"""What each arm reached: bits per byte by prompt, nats of delimiters, learning curves."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jobs.compare.results import Design, Results, Run
from jobs.compare.statistics import Floats
from jobs.compare.summary import RAW, answer_bytes, bits_per_byte, done_runs

MEASURES = ("validation_bits_per_byte", "train_bits_per_byte")
"""Of a learning curve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRow:
    """Means over the done seeds of an arm; None where a number is not to be had.

    Attributes:
      arm: its name.
      n_seeds: done.
      bits_per_byte: of the answers, by prompt of the design; pooled over cells.
      by_game: of the answers under the raw prompt, by game of the design that has answers.
      by_game_mean: each game counts the same.
      nats_per_delimiter: by prompt that any arm has delimiters in.
    """

    arm: str
    n_seeds: int
    bits_per_byte: dict[str, float | None]
    by_game: dict[str, float | None]
    by_game_mean: float | None
    nats_per_delimiter: dict[str, float | None]


_Curve = dict[int, tuple[float, float]]
"""(content bytes, value) by step."""


class CurvePoint(NamedTuple):
    """One arm and seed, or the mean over its seeds, after so many bytes of content."""

    arm: str
    seed: int | None
    content_bytes: float
    value: float


class GameRow(NamedTuple):
    """Test answers of a game."""

    game: str
    sources: int
    answers: int
    tokens: int
    bytes: int


def arm_rows(results: Results) -> list[ArmRow]:
    """A row an arm, in the design's order."""
    design = results.design
    done = done_runs(results)
    with_delimiters = {
        name for run in done for name, found in run.delimiter_nats.items() if found["tokens"]
    }
    prompts = [prompt["name"] for prompt in design.prompts]
    return [
        _arm_row(
            arm["name"],
            [run for run in done if run.arm == arm["name"]],
            design,
            [name for name in prompts if name in with_delimiters],
        )
        for arm in design.arms
    ]


def game_rows(design: Design) -> list[GameRow]:
    """A row a game that has test answers."""
    cells = design.test["cells"]
    found = []
    for place, game in enumerate(design.test["games"]):
        own = [cell for cell in cells if cell["game"] == place]
        if own:
            counts = [sum(cell[name] for cell in own) for name in ("answers", "tokens", "bytes")]
            found.append(GameRow(game, len({cell["source"] for cell in own}), *counts))
    return found


def curve_points(results: Results, measure: str) -> list[CurvePoint]:
    """Learning curves of the done runs: of each seed, then of each arm's mean.

    The mean is over the arm's seeds, at steps that all of them have.

    Args:
      results: where from.
      measure: one of MEASURES.
    """
    points: list[CurvePoint] = []
    done = done_runs(results)
    for arm in [arm["name"] for arm in results.design.arms]:
        curves = {run.seed: _by_step(run.curve, measure) for run in done if run.arm == arm}
        points += _lines(arm, curves)
    return points


def parted_points(results: Results, reference: str) -> list[CurvePoint]:
    """Validation curves less the reference's of the same seed, at steps that both have."""
    points: list[CurvePoint] = []
    measure = MEASURES[0]
    done = done_runs(results)
    of_reference = {run.seed: _by_step(run.curve, measure) for run in done if run.arm == reference}
    for arm in [arm["name"] for arm in results.design.arms if arm["name"] != reference]:
        curves = {
            run.seed: _less(_by_step(run.curve, measure), of_reference[run.seed])
            for run in done
            if run.arm == arm and run.seed in of_reference
        }
        points += _lines(arm, curves)
    return points


def _lines(arm: str, curves: Mapping[int, _Curve]) -> list[CurvePoint]:
    """A line a seed, then that of the mean."""
    lines = [*curves.items(), (None, _mean_curve([*curves.values()]))]
    return [CurvePoint(arm, seed, *point) for seed, line in lines for point in line.values()]


def _arm_row(arm: str, runs: Sequence[Run], design: Design, delimited: Sequence[str]) -> ArmRow:
    n_bytes = answer_bytes(design)
    raw = _nats(runs, RAW)
    game_of_cell = np.array([cell["game"] for cell in design.test["cells"]])
    by_game = {}
    for place, name in enumerate(design.test["games"]):
        of_game = game_of_cell == place
        if n_bytes[of_game].sum():
            by_game[name] = _mean_bits(None if raw is None else raw[:, of_game], n_bytes[of_game])
    values = [value for value in by_game.values() if value is not None]
    return ArmRow(
        arm=arm,
        n_seeds=len(runs),
        bits_per_byte={
            prompt["name"]: _mean_bits(_nats(runs, prompt["name"]), n_bytes)
            for prompt in design.prompts
        },
        by_game=by_game,
        by_game_mean=_mean(values),
        nats_per_delimiter={name: _mean(_nats_per_delimiter(runs, name)) for name in delimited},
    )


def _nats(runs: Iterable[Run], prompt: str) -> Floats | None:
    """float64 [seeds, cells]; None if no run has the prompt."""
    found = [run.nats[prompt] for run in runs if prompt in run.nats]
    return np.array(found, np.float64) if found else None


def _mean_bits(nats: Floats | None, n_bytes: Floats) -> float | None:
    return None if nats is None else float(bits_per_byte(nats, n_bytes).mean())


def _nats_per_delimiter(runs: Iterable[Run], prompt: str) -> list[float]:
    found = [run.delimiter_nats[prompt] for run in runs if prompt in run.delimiter_nats]
    return [each["nats"] / each["tokens"] for each in found if each["tokens"]]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _by_step(curve: Iterable[Mapping[str, Any]], measure: str) -> _Curve:
    """Where there is a finite value."""
    return {
        entry["step"]: (entry["content_bytes"], entry[measure])
        for entry in curve
        if entry.get(measure) is not None and np.isfinite(entry[measure])
    }


def _less(curve: _Curve, reference: _Curve) -> _Curve:
    return {
        step: (content, value - reference[step][1])
        for step, (content, value) in curve.items()
        if step in reference
    }


def _mean_curve(curves: Sequence[_Curve]) -> _Curve:
    steps = sorted(set.intersection(*map(set, curves))) if curves else []
    means = {step: np.mean([curve[step] for curve in curves], axis=0) for step in steps}
    return {step: (float(content), float(value)) for step, (content, value) in means.items()}
