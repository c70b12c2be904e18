"""The manifest and the dataset card, built from the records on disk and from nothing else.

So they are the same whoever made the chunks, in whatever order, however often it was killed.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import atomic_file, remove, write_json
from pipeline.card import dataset_card
from pipeline.changes import has_sha256
from pipeline.commit import add_counts, records
from pipeline.inputs import InputFile
from pipeline.output import CARD, MANIFEST
from pipeline.plan import Plan
from pipeline.remote import Place
from pipeline.tokenizer import OutputTokenizer
from schemas.config import SCHEMA_VERSION, PrepareConfig
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.manifest import ChunkRecord, ShardRecord

INLINE_ROWS = 100_000
"""More inputs than this stand in a Parquet file beside the manifest."""


def write_manifest(
    out: Place, plan: Plan, config: PrepareConfig, tokenizer: OutputTokenizer
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
    done = [committed[digest] for digest in sorted(planned)]
    manifest = manifest_of(done, config, tokenizer, plan.files, plan.skipped)
    card = card_of(manifest)
    for name in ("inputs", "damaged_inputs"):
        manifest[name] = _write_list(out, name, manifest[name])
    with atomic_file(out / CARD) as file:
        file.write(card.encode())
    write_json(out / MANIFEST, manifest)
    return manifest


def manifest_of(
    done: list[ChunkRecord],
    config: PrepareConfig,
    tokenizer: OutputTokenizer,
    files: Iterable[InputFile],
    skipped: dict[str, int],
) -> dict[str, Any]:
    """The manifest, its lists in it however long they are.

    Args:
      done: records of all chunks, by digest.
      config: what they were made with.
      tokenizer: likewise.
      files: what was read.
      skipped: count of files without a reader, by suffix.
    """
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
        "inputs": [{"path": file.relative, "size_bytes": file.size_bytes} for file in files],
        "damaged_inputs": damaged,
        "skipped_inputs": skipped,
        "drops": {name: each["documents_dropped"] for name, each in of_configs.items()},
        "episode_drops": {name: each["episodes_dropped"] for name, each in of_configs.items()},
        "bytes_left_out": {name: each["bytes_left_out"] for name, each in of_configs.items()},
        "counts": counts,
    }


def _shard_order(shard: ShardRecord) -> tuple[str, int, str]:
    return shard.config, SPLITS.index(shard.split), shard.path


def _write_list(out: Place, name: str, rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 JSON
    """The rows, or where there are many, the Parquet file beside the manifest that holds them."""
    path = out / f"{name}.parquet"
    if len(rows) <= INLINE_ROWS:
        remove([path])
        return rows
    with atomic_file(path) as file:
        pq.write_table(pa.Table.from_pylist(rows), pa.PythonFile(file, mode="w"))
    return {"path": path.name, "rows": len(rows), "sha256": file.sha256}


def read_list(out: Place, name: str, value: Any) -> Any:  # noqa: ANN401 JSON
    """The rows of a list of the manifest, wherever they stand; None if their file is damaged."""
    if isinstance(value, list):
        return value
    path = out / f"{name}.parquet"
    if not isinstance(value, dict) or not has_sha256(path, str(value.get("sha256"))):
        return None
    with path.open("rb") as file:
        rows = pq.read_table(file).to_pylist()
    is_same = value == {"path": path.name, "rows": len(rows), "sha256": value["sha256"]}
    return rows if is_same else None


def card_of(manifest: dict[str, Any]) -> str:
    """The dataset card that goes with a manifest."""
    grouped: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for shard in manifest["shards"]:
        grouped.setdefault(shard["config"], {}).setdefault(shard["split"], []).append(shard)
    body = _card_body(manifest, grouped)
    return dataset_card(grouped, "{config}/{split}/*.arrow", body)


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
