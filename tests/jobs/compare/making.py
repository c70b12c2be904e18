"""Results of a comparison as they might come, made up from a seed, and what may go wrong in them.

The arms' effects are chosen, so that tests know what a report must find.
"""

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.compare.results import Design, Results, Run

ARMS = ("raw", "tags", "placebo", "swapped")
GAMES = ("label", "doctest")
PROMPTS = (*ARMS, "plain")

EFFECTS = {"raw": 0.0, "tags": -0.012, "placebo": 0.001, "swapped": 0.004}
"""By arm, in bits per byte under the raw prompt."""

EQUAL_EFFECTS = dict.fromkeys(ARMS, 0.0)

HOSTILE = (
    "<script>alert(1)</script></style><style>*{display:none}</style>"
    "\"'><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}{% raw %}\x1b[31m\x07\u202egnp.exe\u2066\ud800"
)
"""Whatever a corpus may hold, on one line."""

_DESCRIPTIONS = {
    "raw": "no delimiters",
    "tags": "question, reasoning and answer tags around what they name",
    "placebo": "the same tags in the same number and order, at token boundaries drawn by seed",
    "swapped": "the tags with question and answer exchanged, the text unmoved",
}
_PROMPT_DESCRIPTIONS = {
    "raw": "no delimiters",
    "tags": "as the tags arm delimits",
    "placebo": "as the placebo arm delimits",
    "swapped": "as the swapped arm delimits",
    "plain": "delimiters spelled as ordinary text that no arm was trained on",
}
_PROMPT_SHIFT = {"raw": 0.0, "tags": -0.009, "placebo": 0.004, "swapped": 0.011, "plain": 0.006}
_CURVE_STEPS = 40
_BYTES_PER_STEP = 1_310_720


def make_results(
    *,
    n_seeds: int = 6,
    effects: Mapping[str, float] = EFFECTS,
    noise: float = 0.0015,
    failed: Mapping[tuple[str, int], str] | None = None,
    missing: Sequence[tuple[str, int]] = (),
    **changes: Any,
) -> Results:
    """Results of four arms over 25 sources and two games.

    Args:
      n_seeds: paired seeds, from 0 on.
      effects: by arm, bits per byte on top of what sources and seeds have in common.
      noise: standard deviation of a run's own bits per byte.
      failed: error lines by (arm, seed).
      missing: runs without a line.
      changes: fields of the design to replace.
    """
    design = dataclasses.replace(make_design(n_seeds), **changes)
    runs = [
        make_run(design, arm["name"], seed, effects, noise, (failed or {}).get((arm["name"], seed)))
        for arm in design.arms
        for seed in design.seeds
        if (arm["name"], seed) not in missing
    ]
    return Results(design=design, runs=runs)


def hostile_results() -> Results:
    """Results in which all words are hostile but raw, tags and swapped, which names rest on."""
    design = make_design(6)

    def renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {key: HOSTILE if value == "placebo" else value for key, value in row.items()}
            for row in rows
        ]

    test = design.test | {
        "sources": [f"{HOSTILE}#{i}" for i in range(len(design.test["sources"]))],
        "games": [f"{HOSTILE}{game}" for game in GAMES],
    }
    examples = [
        {
            "id": HOSTILE,
            "source": HOSTILE,
            "game": HOSTILE,
            "segments": [
                segment | {"text": f"{HOSTILE}\n{segment['text']}"} for segment in each["segments"]
            ],
        }
        for each in design.examples
    ]
    return make_results(
        failed={("swapped", 5): HOSTILE},
        corpus=design.corpus | {"name": HOSTILE},
        test=test,
        examples=examples,
        invariants=[{"statement": HOSTILE, "holds": True, "evidence": HOSTILE}],
        prompts=renamed([prompt | {"description": HOSTILE} for prompt in design.prompts]),
        arms=renamed([arm | {"description": HOSTILE} for arm in design.arms]),
        contrasts=renamed(design.contrasts),
        model=design.model | {"name": HOSTILE, "config": {HOSTILE: HOSTILE}},
        training=design.training | {HOSTILE: HOSTILE},
    )


def make_design(n_seeds: int) -> Design:
    """Tags against placebo under the raw prompt, and four secondary contrasts."""
    return Design(
        corpus={
            "name": "handbook",
            "manifest_sha256": "3f" * 32,
            "tokenizer_sha256": "a7" * 32,
            "train_documents": 41_230,
            "train_rows": 43_902,
            "train_episodes": 118_407,
            "train_content_tokens": 12_934_118,
            "train_content_bytes": 52_428_800,
            "episodes_dropped": 212,
        },
        model={
            "name": "llama-small",
            "parameters": 12_189_696,
            "config": {
                "hidden_size": 384,
                "num_hidden_layers": 6,
                "num_attention_heads": 6,
                "vocab_size": 32_768,
            },
        },
        training={
            "steps": _CURVE_STEPS * 10,
            "context": 1024,
            "batch_rows": 32,
            "learning_rate": 0.0006,
            "warmup_steps": 40,
            "weight_decay": 0.1,
            "seed": 0,
            "precision": "bfloat16",
            "compile": True,
        },
        arms=[_arm(name, place) for place, name in enumerate(ARMS)],
        invariants=[
            {
                "statement": "Content tokens of all arms are the same, in the same order.",
                "holds": True,
                "evidence": "one sha256 over 12,934,118 ids in 4 arms: 5b5b5b5b",
            },
            {
                "statement": "Batch k holds the same documents in every arm.",
                "holds": True,
                "evidence": "13,204 contexts, one plan",
            },
            {
                "statement": "Weights at the start are the same in every arm of a seed.",
                "holds": True,
                "evidence": f"{n_seeds} seeds, {len(ARMS)} arms, 1 sha256 each",
            },
        ],
        packing={"contexts": 13_204, "context": 1024, "fill": 0.9871},
        cues="stripped",
        seeds=list(range(n_seeds)),
        prompts=[{"name": n, "description": text} for n, text in _PROMPT_DESCRIPTIONS.items()],
        test=_test(),
        contrasts=[
            _contrast("tags", "placebo", is_primary=True),
            _contrast("tags", "raw"),
            _contrast("placebo", "raw"),
            _contrast("swapped", "tags"),
            _contrast("tags", "raw", is_own=True),
        ],
        examples=_examples(),
        is_trial=False,
    )


def make_run(
    design: Design,
    arm: str,
    seed: int,
    effects: Mapping[str, float] = EFFECTS,
    noise: float = 0.0015,
    error: str | None = None,
) -> Run:
    """A run whose bits per byte are those of its seed, its arm and the sources."""
    if error is not None:
        return Run(design=design.digest, arm=arm, seed=seed, error=error)
    rng = random.Random(f"{arm}/{seed}".encode("utf-8", "surrogatepass"))
    level = 0.01 * math.sin(seed) + effects.get(arm, 0.0) + rng.gauss(0, noise)
    prompts = [prompt["name"] for prompt in design.prompts]
    prompts = [name for name in prompts if arm != "raw" or name in ("raw", "plain")]
    return Run(
        design=design.digest,
        arm=arm,
        seed=seed,
        steps=_CURVE_STEPS * 10,
        trained_tokens=13_107_200 - 1000 * seed,
        nats={name: _nats(design, level + _PROMPT_SHIFT.get(name, 0.0)) for name in prompts},
        delimiter_nats={
            name: {"nats": 2031.4 + 31 * seed + 500 * (arm == "placebo"), "tokens": 2512}
            for name in prompts
            if name not in ("raw", "plain")
        },
        curve=_curve(level, rng),
        device="NVIDIA H100 80GB HBM3",
    )


def _nats(design: Design, level: float) -> list[float]:
    """Of each cell: bits per byte of its source and game, and the run's level."""
    return [
        cell["bytes"]
        * math.log(2)
        * (1.21 + 0.18 * math.sin(3 * cell["source"]) - 0.3 * cell["game"] + level)
        for cell in design.test["cells"]
    ]


def _curve(level: float, rng: random.Random) -> list[dict[str, Any]]:
    found = []
    for i in range(1, _CURVE_STEPS + 1):
        height = 1.02 + 2.6 * (i + 0.4) ** -0.62
        found.append(
            {
                "step": 10 * i,
                "content_bytes": _BYTES_PER_STEP * i,
                "train_bits_per_byte": height + level - 0.03 + rng.gauss(0, 0.012),
                "validation_bits_per_byte": height + level + rng.gauss(0, 0.003),
            }
        )
    return found


def _arm(name: str, place: int) -> dict[str, Any]:
    is_bare = name == "raw"
    return {
        "name": name,
        "delimiters": None if is_bare else "tags",
        "description": _DESCRIPTIONS[name],
        "content_sha256": "5b" * 32,
        "n_tokens": 12_934_118 + (0 if is_bare else 241_904),
        "n_delimiters": 0 if is_bare else 241_904,
        "delimited_documents": 0 if is_bare else 20_611,
        "bare_documents": 41_230 if is_bare else 20_619,
    } | ({"n_delimiters": 241_900} if place == 3 else {})


def _contrast(
    arm: str, reference: str, *, is_own: bool = False, is_primary: bool = False
) -> dict[str, Any]:
    return {
        "name": f"{arm} - {reference}, {'own formats' if is_own else 'raw prompt'}",
        "arm": arm,
        "reference": reference,
        "prompt": arm if is_own else "raw",
        "reference_prompt": reference if is_own else "raw",
        "is_primary": is_primary,
    }


def _test() -> dict[str, Any]:
    """25 sources; every third has cells of both games."""
    cells = []
    for source in range(25):
        for game in (0, 1) if source % 3 == 0 else (source % 2,):
            answers = 4 + (7 * source + game) % 9
            n_bytes = answers * (90 + 13 * (source % 5))
            cells.append(
                {
                    "source": source,
                    "game": game,
                    "answers": answers,
                    "tokens": n_bytes // 4,
                    "bytes": n_bytes,
                }
            )
    sources = [f"guides/{name}/{i:02d}.md" for i, name in enumerate(["net", "disk", "boot"] * 9)]
    return {"sources": sources[:25], "games": list(GAMES), "cells": cells}


def _examples() -> list[dict[str, Any]]:
    def segment(kind: str, player: int, text: str) -> dict[str, Any]:
        return {"kind": kind, "player": player, "text": text}

    faq = [
        segment("text", 0, "Harbour guide, second part.\n\n"),
        segment("marker", 0, "Q: "),
        segment("delimiter", 1, "<question>"),
        segment("question", 1, "When does the ferry leave at spring tide?"),
        segment("delimiter", 1, "</question>"),
        segment("marker", 2, "\nA: "),
        segment("delimiter", 2, "<reasoning>"),
        segment("reasoning", 2, "High water is at ten, and it leaves an hour before."),
        segment("delimiter", 2, "</reasoning>"),
        segment("marker", 2, "\n"),
        segment("delimiter", 2, "<answer>"),
        segment("answer", 2, "At nine."),
        segment("delimiter", 2, "</answer>"),
        segment("text", 0, "\n\nTimes change without notice.\n"),
    ]
    doctest = [
        segment("marker", 0, ">>> "),
        segment("question", 1, "sum(n * n for n in range(10) if n % 2)"),
        segment("marker", 2, "\n"),
        segment("answer", 2, "165"),
    ]
    return [
        {"id": "1c" * 16, "source": "guides/net/03.md", "game": "label", "segments": faq},
        {"id": "2d" * 16, "source": "guides/boot/17.md", "game": "doctest", "segments": doctest},
    ]
