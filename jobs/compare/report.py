"""`duologue report`: what a comparison found, as one page that needs nothing else.

The page is made of results.jsonl alone, has no script, loads nothing, and has the same bytes for
the same results. What comes from a corpus is text in it and nothing more.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from jobs.compare import wording
from jobs.compare.curves import arm_colour, arm_dash, curves
from jobs.compare.facts import count, ends, facts, run_states, size
from jobs.compare.forest import forest
from jobs.compare.plot import NARROW, WIDE
from jobs.compare.results import Results
from jobs.compare.statistics import ALPHA, MARGIN_SHARE, MIN_SEEDS, POWER, detectable_effect
from jobs.compare.summary import RAW, Comparison, Summary, Verdict, fault, summarise, visible
from jobs.compare.tables import MEASURES, arm_rows, curve_points, game_rows, parted_points
from pipeline.atomic import atomic_file
from schemas.errors import UserError

_TEMPLATE = "report.html.jinja"
_MARK = b'<p class="eyebrow">duologue report: '
_MANY_CHARACTERS = 4_000
_MANY_SOURCES = 200

_KINDS = {
    "question": "1 asks",
    "reasoning": "2 reasons",
    "answer": "2 answers",
    "text": "",
    "marker": "",
    "delimiter": "",
}
"""What stands before a segment of each kind, so that no colour is needed to tell them apart."""

_VERDICT_CLASS = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.EQUIVALENT: "same"}

_TUNED = "learning_rate_choice"
"""In Design.training: how the learning rate was chosen, in words, if it was."""

# Of all runs' TrainConfig: each run has its own.
_OF_A_RUN = ("seed", _TUNED)


class Family(NamedTuple):
    """The secondary contrasts that are adjusted together."""

    n_contrasts: int
    n_seeds: int


class Figure(NamedTuple):
    """A chart in two renderings."""

    wide: Markup
    narrow: Markup


def write_report(results: Results, out: Path) -> str:
    """Write the report of a comparison.

    Args:
      results: all that it is made of.
      out: the HTML file; a report that is there is replaced.

    Returns:
      The headline.

    Raises:
      UserError: if it can't be written, something else is there, or there are more seeds than the
        exact tests take.
    """
    _check_replaceable(out)
    shown = visible(results)
    summary = summarise(shown)
    page = render_page(shown, summary, design_digest=results.design.digest)
    with atomic_file(out) as file:
        file.write(page.encode())
    return wording.headline(summary)


def _check_replaceable(out: Path) -> None:
    """Refuse to write over what is no report.

    Raises:
      UserError: if a folder or another file is there.
    """
    if out.is_dir():
        msg = f"{out} is a folder: name a file, such as {out / 'report.html'}"
        raise UserError(msg)
    if out.exists() and _MARK not in out.read_bytes():
        msg = f"{out} is there and no report: choose another --out"
        raise UserError(msg)


def render_page(results: Results, summary: Summary, *, design_digest: str) -> str:
    """The page as HTML.

    Args:
      results: visible ones.
      summary: of them.
      design_digest: of the design as it was before its strings were made visible.
    """
    design = results.design
    rows, states = arm_rows(results), run_states(results)
    template = _environment(wording.digits(summary)).get_template(_TEMPLATE)
    return template.render(
        design=design,
        summary=summary,
        headline=wording.headline(summary),
        forest=_figure(partial(forest, summary)) if _is_any_paired(summary) else None,
        curves=_curve_figures(results, summary),
        curve_reference=_reference(results, summary),
        arm_rows=rows,
        games=[*rows[0].by_game],
        delimited=[*rows[0].nats_per_delimiter],
        game_rows=game_rows(design),
        n_bytes=sum(cell["bytes"] for cell in design.test["cells"]),
        sources=design.test["sources"][:_MANY_SOURCES],
        n_sources_left_out=max(0, len(design.test["sources"]) - _MANY_SOURCES),
        states=states,
        n_runs=len(design.arms) * len(design.seeds),
        n_missing=sum([*of_seed.values()].count("missing") for of_seed in states.values()),
        failed=[run for run in results.runs if run.error is not None],
        diverged=[run for run in results.runs if fault(run) == "diverged"],
        stray=[run for run in results.runs if run.seed not in design.seeds],
        devices=sorted({run.device for run in results.runs if not fault(run)}),
        trained=ends(run.trained_tokens for run in results.runs if not fault(run)),
        corpus=facts(design.corpus, without=("name", "manifest_sha256", "tokenizer_sha256")),
        model=facts(design.model["config"]),
        training=facts(design.training, without=_OF_A_RUN),
        is_tuned=_TUNED in design.training,
        tuned=_TUNED,
        design_digest=design_digest,
        contents=_contents(results),
        family=_family(summary),
        detectable=_detectable(summary.primary),
        raw=RAW,
        alpha=ALPHA,
        power=POWER,
        margin_share=MARGIN_SHARE,
        min_seeds=MIN_SEEDS,
        kinds=_KINDS,
    )


def _environment(n_digits: int) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": lambda value: wording.fixed(value, n_digits),
        "signed": lambda value: wording.signed(value, n_digits),
        "interval": lambda ends: wording.interval(ends, n_digits),
        "p_value": wording.p_value,
        "counted": wording.counted,
        "title": wording.title,
        "prompts": wording.prompts,
        "verdict": wording.verdict,
        "verdict_class": lambda comparison: _VERDICT_CLASS.get(comparison.verdict, "open"),
        "size": size,
        "count": count,
        "comma": lambda n: f"{n:,}",
        "percent": lambda share: f"{100 * share:.3g} %",
        "cut": _cut,
        "unbroken": _unbroken,
        "arm_colour": arm_colour,
        "arm_dash": lambda place: " ".join(f"{each:g}" for each in arm_dash(place)),
    }
    return environment


def _cut(text: str) -> str:
    """Text without its middle where it is very long."""
    left_out = len(text) - _MANY_CHARACTERS
    if left_out <= 0:
        return text
    half = _MANY_CHARACTERS // 2
    return f"{text[:half]} … {left_out:,} characters … {text[-half:]}"


def _unbroken(text: str) -> str:
    """Signs stay with their numbers at the ends of lines."""
    return text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")


def _is_any_paired(summary: Summary) -> bool:
    return any(each.seeds for each in summary.comparisons)


def _figure(draw: Callable[..., str]) -> Figure:
    # Checking each part of a chart against Vega-Lite's schema takes longer than drawing them all.
    with debug_mode(False):
        # What the charts give is markup of ours, in which names are escaped.
        return Figure(wide=Markup(draw(layout=WIDE)), narrow=Markup(draw(layout=NARROW)))


def _curve_figures(results: Results, summary: Summary) -> dict[str, Figure | None]:
    """By what they show; None where no run has the numbers."""
    arms = [arm["name"] for arm in results.design.arms]
    validation, train = (curve_points(results, measure) for measure in MEASURES)
    parted = parted_points(results, _reference(results, summary))
    drawn = {"validation": (validation, False), "train": (train, False), "parted": (parted, True)}
    return {
        name: _figure(partial(curves, points, arms, name=name, is_difference=is_difference))
        if points
        else None
        for name, (points, is_difference) in drawn.items()
    }


def _reference(results: Results, summary: Summary) -> str:
    """The arm that the others' learning curves are held against."""
    arms = [arm["name"] for arm in results.design.arms]
    if RAW in arms or summary.primary is None:
        return RAW if RAW in arms else arms[0]
    return summary.primary.reference


def _contents(results: Results) -> list[tuple[str, list[str]]]:
    """Hashes of content tokens, each with the arms that have it."""
    names: dict[str, list[str]] = {}
    for arm in results.design.arms:
        names.setdefault(arm["content_sha256"], []).append(arm["name"])
    return [*names.items()]


def _family(summary: Summary) -> Family | None:
    sizes = [
        each.n_family_seeds
        for each in summary.comparisons
        if each.n_family_seeds and not each.is_primary
    ]
    return Family(len(sizes), sizes[0]) if sizes else None


def _detectable(primary: Comparison | None) -> float | None:
    """The mean difference in bits per byte that POWER would find; None where none would be."""
    if primary is None or len(primary.seeds) < MIN_SEEDS:
        return None
    spread = float(np.std(primary.differences, ddof=1))
    return detectable_effect(len(primary.seeds)) * spread
