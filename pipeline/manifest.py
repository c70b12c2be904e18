"""The manifest and the dataset card, built from the records on disk and from nothing else.

So they are the same whoever made the chunks, in whatever order, however often it was killed.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.card import dataset_card
from pipeline.changes import has_sha256
from pipeline.commit import (
    RUN,
    ChunkRecord,
    ShardRecord,
    add_counts,
    atomic_file,
    records,
    remove,
    write_json,
)
from pipeline.output import CARD, MANIFEST
from pipeline.plan import PLAN_INPUTS, Plan, read_plan
from pipeline.tokenizer import OutputTokenizer
from schemas.config import SCHEMA_VERSION, PrepareConfig
from schemas.errors import UserError
from schemas.keys import SPLITS

INLINE_ROWS = 100_000
"""More inputs than this stand in a Parquet file beside the manifest."""


def write_manifest(
    out: Path, plan: Plan, config: PrepareConfig, tokenizer: OutputTokenizer
) -> dict[str, Any]:
    """Write OUT/manifest.json and OUT/README.md; the manifest comes last and means: finished.

    Raises:
      UserError: if a chunk of the plan has no record, or a record is of no chunk.
    """
    committed = dict(records(out))
    planned = [chunk.digest for chunk in plan.chunks]
    missing = [digest for digest in planned if digest not in committed]
    if missing:
        msg = (
            f"{out}: {len(missing)} of {len(planned)} chunks are not committed, such as "
            f"{missing[0]}: run prepare again (or the missing slices) with the same options"
        )
        raise UserError(msg)
    if len(committed) > len(set(planned)):
        msg = f"{out}: holds chunks of other inputs: run prepare with --update"
        raise UserError(msg)
    manifest = _manifest([committed[digest] for digest in sorted(planned)], config, tokenizer)
    manifest["inputs"] = _inline(out, "inputs", _inputs(plan))
    manifest["damaged_inputs"] = _inline(out, "damaged_inputs", manifest["damaged_inputs"])
    manifest["skipped_inputs"] = plan.skipped
    _write_card(out, manifest)
    write_json(out / MANIFEST, manifest)
    return manifest


def differing(
    out: Path, manifest: dict[str, Any], config: PrepareConfig, tokenizer: OutputTokenizer
) -> list[str]:
    """Names of what a manifest says otherwise than the records and the list of inputs beside it.

    Raises:
      UserError: if these can't be read.
    """
    try:
        told = _manifest([record for _, record in records(out)], config, tokenizer)
        if (out / RUN / PLAN_INPUTS).exists():
            plan = read_plan(out / RUN)
            told |= {"inputs": _inputs(plan), "skipped_inputs": plan.skipped}
        said = {name: _rows(out, manifest.get(name)) for name in told}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = (
            f"{out}: a record of what was read or written is damaged ({error}): run prepare with "
            "--repair"
        )
        raise UserError(msg) from error
    # As JSON, where true is not 1.
    return [name for name in told if _json(told[name]) != _json(said[name])]


def _json(value: Any) -> str:  # noqa: ANN401 JSON holds anything
    return json.dumps(value, sort_keys=True)


def _rows(out: Path, value: Any) -> Any:  # noqa: ANN401 JSON holds anything
    """What `_inline` was given; None if its file is not the one that it wrote."""
    match value:
        case {"path": str(name), "rows": _, "sha256": sha256}:
            is_whole = has_sha256(out / name, sha256)
            return pq.read_table(out / name).to_pylist() if is_whole else None
    return value


def _inputs(plan: Plan) -> list[dict[str, Any]]:
    return [{"path": file.relative, "size_bytes": file.size_bytes} for file in plan.files]


def _manifest(
    done: list[ChunkRecord], config: PrepareConfig, tokenizer: OutputTokenizer
) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for record in done:
        counts = add_counts(counts, record.counts)
    shards = sorted((shard for record in done for shard in record.shards), key=_shard_order)
    refused = sorted((each for record in done for each in record.rejected), key=lambda e: e["path"])
    damaged = sorted(
        (each for record in done for each in record.damaged), key=lambda each: each["source"]
    )
    of_configs = counts.pop("configs", {})
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_json(),
        "tokenizer_sha256": tokenizer.sha256,
        "tokenizer": {
            "eos": tokenizer.eos,
            "bos": tokenizer.bos,
            "pad": tokenizer.pad,
            "is_lossless": tokenizer.segment_tokenizer().is_lossless,
        },
        "shards": [dataclasses.asdict(shard) for shard in shards],
        "rejected": counts.pop("rejected", {}),
        "rejected_files": refused,
        "damaged_inputs": damaged,
        "drops": {name: each["documents_dropped"] for name, each in of_configs.items()},
        "episode_drops": {name: each["episodes_dropped"] for name, each in of_configs.items()},
        "bytes_left_out": {name: each["bytes_left_out"] for name, each in of_configs.items()},
        "counts": counts,
    }


def _shard_order(shard: ShardRecord) -> tuple[str, int, str]:
    return shard.config, SPLITS.index(shard.split), shard.path


def _inline(out: Path, name: str, rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 JSON
    """The rows, or where there are many, the Parquet file beside the manifest that holds them."""
    path = out / f"{name}.parquet"
    if len(rows) <= INLINE_ROWS:
        remove([path])
        return rows
    with atomic_file(path) as file:
        pq.write_table(pa.Table.from_pylist(rows), pa.PythonFile(file, mode="w"))
    return {"path": path.name, "rows": len(rows), "sha256": file.sha256}


def _write_card(out: Path, manifest: dict[str, Any]) -> None:
    grouped: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for shard in manifest["shards"]:
        grouped.setdefault(shard["config"], {}).setdefault(shard["split"], []).append(shard)
    body = _card_body(manifest, grouped)
    with atomic_file(out / CARD) as file:
        file.write(dataset_card(grouped, "{config}/{split}/*.arrow", body).encode())


def _card_body(
    manifest: dict[str, Any], grouped: dict[str, dict[str, list[dict[str, Any]]]]
) -> str:
    rows = [
        f"| {name} | {split} | {sum(shard['rows'] for shard in shards)} "
        f"| {sum(shard['tokens'] for shard in shards)} |"
        for name, splits in grouped.items()
        for split, shards in splits.items()
    ]
    config = manifest["config"]
    return "\n".join(
        [
            "# Two-player episodes",
            "",
            "Raw text as the log of a two-player game, made by duologue. A row of `documents` is a "
            "document, a row of `episodes` an episode; `player` says who emits each token (0 "
            "nature, 1 asks, 2 answers), `segments` which stretch is question, reasoning, answer.",
            "",
            f"Delimiters: {config['delimiters']}. End of turn: `{config['eos']}`. Tokenizer: "
            "`tokenizer.json` in this folder. `manifest.json` has hashes, counts and drops.",
            "",
            "| config | split | rows | tokens |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
