"""What a comparison would take, and what it could find, said before anything is spent."""

import math
import time

import numpy as np
import torch
from rich.console import Console

from jobs.compare.arms import arm_rows
from jobs.compare.config import ComparisonConfig, prompts_of
from jobs.compare.corpus import ComparedRows, train_content
from jobs.compare.design import packed_arm
from jobs.compare.results import Design
from jobs.compare.runs import THREADS
from jobs.compare.statistics import POWER, detectable_effect
from jobs.train.loop import Learner
from jobs.train.policy import new_policy
from jobs.train.ranks import Ranks
from pipeline.tokenizer import OutputTokenizer

_TIMED_STEPS = 3
_FORWARD_SHARE = 1 / 3
"""Of a training step's work, what scoring does."""

_BYTES_PER_PARAMETER = 24
"""Of two checkpoints, while one takes the other's place: weights and two moments in float32."""


def print_estimate(
    design: Design,
    rows: ComparedRows,
    config: ComparisonConfig,
    saved: OutputTokenizer,
    *,
    device: str,
    workers: int,
    console: Console,
) -> None:
    """Print runs, time, disk and the effect that could be detected; some steps are timed."""
    train = config.train
    n_runs = len(config.arms) * len(design.seeds)
    begin, seconds = _timed(rows, config, saved, device)
    n_scored = int(rows.test["input_ids"].combine_chunks().value_lengths().to_numpy().sum())
    per_token = seconds / (train.batch_rows * train.context)
    n_prompts = np.mean([len(prompts_of(arm, config.arms)) for arm in config.arms])
    run_seconds = begin + seconds * train.steps
    run_seconds += n_scored * n_prompts * per_token * _FORWARD_SHARE
    n_weights = design.model["parameters"]
    disk = workers * n_weights * _BYTES_PER_PARAMETER
    disk += sum(table.nbytes for table in (rows.train, rows.validation, rows.test) if table)
    cells = design.test["cells"]
    lines = [
        ("arms", ", ".join(config.arms)),
        ("runs", f"{n_runs}: {len(design.seeds)} paired seeds, {workers} side by side on {device}"),
        (
            "model",
            f"{design.model['name']}, {n_weights / 1e6:.2f} M parameters; {train.steps} steps of "
            f"{train.batch_rows} x {train.context} tokens, "
            f"{train.steps * train.batch_rows / design.packing['contexts']:.2g} epochs",
        ),
        (
            "train",
            f"{design.corpus['train_documents']} documents, {design.corpus['train_episodes']} "
            f"episodes, {design.corpus['train_content_bytes'] / 1e6:.1f} MB; "
            f"{design.corpus['episodes_dropped']} episodes do not fit",
        ),
        (
            "test",
            f"{sum(cell['answers'] for cell in cells)} answers of {len(design.test['sources'])} "
            f"sources, {sum(cell['bytes'] for cell in cells)} bytes",
        ),
        (
            "time",
            f"about {_duration(run_seconds * math.ceil(n_runs / workers))} "
            f"({run_seconds:.0f} s a run, from {_TIMED_STEPS} steps timed alone on this machine)",
        ),
        ("disk", f"about {disk / 1e6:.0f} MB"),
        (
            "effect",
            f"{detectable_effect(len(design.seeds)):.2f} standard deviations of a paired "
            f"difference are found with a power of {POWER:.0%}",
        ),
        ("primary", next(each["name"] for each in design.contrasts if each["is_primary"])),
    ]
    if design.is_trial:
        lines.append(("evidence", "none: a run of this size only shows that the pipeline works"))
    for name, words in lines:
        console.print(f"{name + ':':10}{words}", soft_wrap=True, highlight=False, markup=False)


def _timed(
    rows: ComparedRows, config: ComparisonConfig, saved: OutputTokenizer, device: str
) -> tuple[float, float]:
    """Seconds until a run's first step, and of a step without delimiters, the median of a few."""
    if device == "cpu":
        torch.set_num_threads(THREADS)
    begin = time.perf_counter()
    content = train_content(rows.train)
    data = packed_arm(
        arm_rows(content, None), content.lengths, config.train, saved.segment_tokenizer()
    )
    policy = new_policy(config.model, saved, context=config.train.context, seed=0)
    learner = Learner(policy, config.train, Ranks(device=torch.device(device)))
    until_first, times = time.perf_counter() - begin, []
    for number in range(_TIMED_STEPS + 1):
        begin = time.perf_counter()
        learner.step(data, number, "is_delimiter")
        times.append(time.perf_counter() - begin)
    return until_first, float(np.median(times[1:]))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
