"""The design: what was compared, with its invariants checked, fixed before the first run."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedModel

from jobs.compare.arms import (
    ARMS,
    Arm,
    Content,
    Delimiters,
    arm_delimiters,
    arm_rows,
    content_digest,
)
from jobs.compare.config import ComparisonConfig, contrasts, prompts
from jobs.compare.corpus import (
    Answers,
    ComparedRows,
    all_delimiters,
    answers_of,
    example_segments,
    n_episodes,
    train_content,
)
from jobs.compare.results import Design
from jobs.train.batches import PackedRows
from jobs.train.loop import TrainConfig
from jobs.train.policy import n_parameters, new_policy
from pipeline.output import MANIFEST
from pipeline.tokenizer import OutputTokenizer
from schemas.keys import digest
from transforms.flat import Bools, Ints
from transforms.tokenize import SegmentTokenizer

TRIAL_PARAMETERS, TRIAL_TOKENS = 5_000_000, 100_000_000
"""A smaller model, or one that sees fewer tokens, shows that the pipeline works and no more."""

N_EXAMPLES = 4
_EXAMPLE_TOKENS = 400


def longest_rows(content: Content, of_scheme: Mapping[str, Delimiters]) -> Ints:
    """Tokens of each row in the arm where it is longest, int64 [rows]: what all are packed by.

    Args:
      content: the rows.
      of_scheme: what the schemes of all arms insert.
    """
    n_inserted = [np.bincount(each.row, minlength=len(content)) for each in of_scheme.values()]
    return content.lengths + np.where(content.is_bare, 0, np.max(n_inserted, axis=0))


def packed_arm(
    rows: pa.Table, lengths: Ints, config: TrainConfig, tokenizer: SegmentTokenizer
) -> PackedRows:
    """An arm's rows in the contexts that the plan of all arms gives."""
    return PackedRows(
        rows,
        context=config.context,
        bos_id=tokenizer.bos_id,
        objective=config.objective,
        lengths=lengths,
        columns=("is_delimiter",),
    )


def make_design(
    corpus: Path,
    rows: ComparedRows,
    config: ComparisonConfig,
    saved: OutputTokenizer,
    device: torch.device,
) -> Design:
    """The design of a comparison, its invariants checked on the arms of the first seed.

    Raises:
      UserError: if the model cannot be made.
    """
    tokenizer = saved.segment_tokenizer()
    content = train_content(rows.train)
    of_scheme = all_delimiters(rows.train, tokenizer, config.schemes)
    lengths = longest_rows(content, of_scheme)
    made = {
        name: arm_rows(
            content,
            arm_delimiters(ARMS[name], content, of_scheme, tokenizer, seed=0, keeps_half_bare=True),
        )
        for name in config.arms
    }
    packed = {
        name: packed_arm(each, lengths, config.train, tokenizer) for name, each in made.items()
    }
    longest = max(packed.values(), key=lambda each: int(each.n_tokens.sum()))
    steps = config.train.resolved(len(longest), device)
    policy = new_policy(config.model, saved, context=config.train.context, seed=0)
    documents = _documents(rows.train)
    seen_tokens = int(longest.n_tokens.sum()) * steps.steps * steps.batch_rows / len(longest)
    return Design(
        corpus=_corpus_facts(corpus, rows, content, saved),
        model=_model_facts(config.model, policy),
        training=dataclasses.asdict(steps),
        arms=[_arm_facts(ARMS[name], made[name], content, documents) for name in config.arms],
        invariants=_invariants(made, packed, content),
        packing={
            "contexts": len(longest),
            "context": config.train.context,
            "fill": float(longest.n_tokens.sum() / (len(longest) * config.train.context)),
        },
        cues=config.cues,
        seeds=list(range(config.n_seeds)),
        prompts=[
            {"name": name, "description": words} for name, words in prompts(config.arms).items()
        ],
        test=_test_facts(answers_of(rows.test), rows.dropped["test"]),
        contrasts=contrasts(config.arms),
        examples=_examples(rows.test, tokenizer),
        is_trial=n_parameters(policy) < TRIAL_PARAMETERS or seen_tokens < TRIAL_TOKENS,
    )


def _model_facts(model: str, policy: PreTrainedModel) -> dict[str, Any]:
    return {
        "name": Path(model).name,
        "parameters": n_parameters(policy),
        "config": {
            name: value
            for name, value in policy.config.to_diff_dict().items()
            if isinstance(value, int | float | str | bool) and name != "transformers_version"
        },
        "sha256": weights_digest(policy),
    }


def _test_facts(answers: Answers, n_dropped: int) -> dict[str, Any]:
    return {
        "sources": answers.sources,
        "games": answers.games,
        "cells": answers.cells,
        "content_sha256": answers.content.digest,
        "episodes_dropped": n_dropped,
    }


def _corpus_facts(
    corpus: Path, rows: ComparedRows, content: Content, saved: OutputTokenizer
) -> dict[str, Any]:
    return {
        "name": corpus.resolve().name,
        "manifest_sha256": hashlib.sha256((corpus / MANIFEST).read_bytes()).hexdigest(),
        "tokenizer_sha256": saved.sha256,
        "train_documents": len(set(_documents(rows.train))),
        "train_rows": len(rows.train),
        "train_episodes": n_episodes(rows.train),
        "train_content_tokens": len(content.tokens),
        "train_content_bytes": int(content.n_bytes.sum()),
        "episodes_dropped": rows.dropped["train"],
    }


def weights_digest(policy: PreTrainedModel) -> str:
    """Names a policy: sha256 of its config's settings and of its weights."""
    settings = policy.config.to_diff_dict()
    settings.pop("transformers_version", None)
    state = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in policy.named_parameters():
        state.update(name.encode())
        state.update(weight.detach().cpu().contiguous().numpy())
    return state.hexdigest()


def _documents(rows: pa.Table) -> list[tuple[str, int | None]]:
    """The document of each row, as its source and the place in it."""
    columns = (rows["source"].to_pylist(), rows["source_offset"].to_pylist())
    return list(zip(*columns, strict=True))


def _arm_facts(
    arm: Arm, rows: pa.Table, content: Content, documents: list[tuple[str, int | None]]
) -> dict[str, Any]:
    n_delimiters = delimiters_of_rows(rows)

    def n_documents(is_meant: Bools) -> int:
        return len({documents[row] for row in np.flatnonzero(is_meant).tolist()})

    return {
        "name": arm.name,
        "delimiters": arm.scheme or "none",
        "description": arm.description,
        "content_sha256": content_digest(rows),
        "n_tokens": len(content.tokens) + int(n_delimiters.sum()),
        "n_delimiters": int(n_delimiters.sum()),
        "delimited_documents": n_documents(n_delimiters > 0),
        "bare_documents": n_documents(content.is_bare if arm.scheme else content.lengths > 0),
    }


def delimiters_of_rows(rows: pa.Table) -> Ints:
    """How many delimiters each row of an arm has, int64 [rows]."""
    lists = rows["is_delimiter"].combine_chunks()
    before = np.concatenate([[0], np.cumsum(lists.flatten().to_numpy(), dtype=np.int64)])
    return np.diff(before[lists.offsets.to_numpy()])


def _invariants(
    made: dict[str, pa.Table], packed: dict[str, PackedRows], content: Content
) -> list[dict[str, Any]]:
    """What has to hold of the insertion class, looked up in the arms as they are trained on."""
    digests = {content_digest(rows) for rows in made.values()} | {content.digest}
    plans = {
        digest(["plan", *(str(each.tolist()) for each in arm.rows_of_context)])
        for arm in packed.values()
    }
    counts = {name: delimiters_of_rows(rows) for name, rows in made.items()}
    found = [
        ("identical content-token ids in identical order in every arm", digests),
        ("the same documents in context k, and so in batch k, of every arm", plans),
    ]
    found += [
        (
            f"{name} has the delimiters of tags in the same numbers, row by row",
            {digest(["counts", counts[each].tobytes()]) for each in ("tags", name)},
        )
        for name in ("placebo", "swapped")
        if name in made and "tags" in made
    ]
    delimited = sum(int(each[content.is_bare].sum()) for each in counts.values())
    invariants = [
        {"statement": words, "holds": len(each) == 1, "evidence": ", ".join(sorted(each))}
        for words, each in found
    ]
    invariants.append(
        {
            "statement": "the same half of the documents carries no delimiters in any arm",
            "holds": delimited == 0,
            "evidence": f"{int(content.is_bare.sum())} of {len(content)} rows, "
            f"{delimited} delimiters in them",
        }
    )
    return invariants


def _examples(rows: pa.Table, tokenizer: SegmentTokenizer) -> list[dict[str, Any]]:
    """Some rows with an answer, drawn by their ids, short enough to read; one a source."""
    columns = ("id", "source", "game", "input_ids", "segments")
    sizes = rows["input_ids"].combine_chunks().value_lengths().to_numpy()
    short = rows.select(columns).filter(pa.array(sizes <= _EXAMPLE_TOKENS)).sort_by("id")
    found: dict[str, dict[str, Any]] = {}
    for place in range(len(short)):
        row = short.slice(place, 1).to_pylist()[0]
        found.setdefault(row["source"], row)
        if len(found) == N_EXAMPLES:
            break
    return [
        {
            "id": row["id"],
            "source": row["source"],
            "game": row["game"],
            "segments": example_segments(row, tokenizer),
        }
        for row in found.values()
    ]
