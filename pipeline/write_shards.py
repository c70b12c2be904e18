"""Rows become files: one shard a piece, config and split, then the record that commits them."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.atomic import HashingFile, atomic_file
from pipeline.commit import REJECTED, commit_piece
from pipeline.piece import Piece
from pipeline.readers import DAMAGED, reason_kind
from pipeline.remote import Place
from schemas.config import PrepareConfig
from schemas.episode import Player
from schemas.keys import SPLITS, document_key, row_id, split_of
from schemas.manifest import ChunkCounts, ChunkRecord, ConfigCounts, Damage, File, ShardRecord
from transforms.rows import RowConfig, Rows, document_rows, episode_rows
from transforms.tokenize import SegmentTokenizer

BATCH_ROWS = 1024
"""Rows of a record batch: what a reader of a mapped shard touches at once."""

_ROWS_OF_CONFIG = {"documents": document_rows, "episodes": episode_rows}


def write_piece(
    out: Place, piece: Piece, tokenizer: SegmentTokenizer, config: PrepareConfig
) -> bool:
    """Write all that a tokenised piece gives; returns whether its chunk is now committed.

    Raises:
      UserError: if a file can't be written.
    """
    row_config = RowConfig(delimiters=config.delimiters, max_tokens=config.max_tokens)
    rows = {
        name: _ROWS_OF_CONFIG[name](piece.table, tokenizer, row_config) for name in config.configs
    }
    shards = [
        _write_shard(out, f"{name}/{split}/{piece.key.stem}.arrow", name, split, table)
        for name, made in rows.items()
        for split, table in _splits(made.table, config.holdout)
    ]
    refused = list(_refused(piece.table))
    record = ChunkRecord(
        shards=shards,
        rejected=_write_rejected(out, f"{REJECTED}/{piece.key.stem}.jsonl", refused),
        counts=_counts(piece.table, rows),
        damaged=[_damage(each) for each in refused if each["reason"].startswith(DAMAGED)],
        n_bytes=piece.n_bytes,
        blake2b=piece.blake2b,
        is_last=piece.is_last,
    )
    return commit_piece(out, piece.key.digest, piece.key.piece, record)


def _splits(table: pa.Table, holdout: float) -> Iterator[tuple[str, pa.Table]]:
    """(split, its rows in order) of the splits that have rows."""
    sources = pc.dictionary_encode(table["source"].combine_chunks())
    names = [split_of(source, holdout) for source in sources.dictionary.to_pylist()]
    codes = np.array([SPLITS.index(name) for name in names], np.int8)
    of_row = codes[sources.indices.to_numpy()] if len(table) else np.zeros(0, np.int8)
    edges = np.flatnonzero(np.diff(of_row, prepend=-1, append=-1))
    for code, split in enumerate(SPLITS):
        if not (of_row == code).any():
            continue
        # Filtering lists of structs takes a hundred times as long as gluing stretches does. With
        # the empty one a single stretch is copied too: Arrow writes slices in other bytes.
        stretches = [table.slice(0, 0)]
        for start, end in pairwise(edges.tolist()):
            if of_row[start] == code:
                stretches.append(table.slice(start, end - start))
        yield split, pa.concat_tables(stretches).combine_chunks()


def _write_shard(out: Place, path: str, config: str, split: str, table: pa.Table) -> ShardRecord:
    with atomic_file(out / path) as file:
        write_stream(file, table)
    players = np.zeros(len(Player), np.int64)
    for chunk in table["player"].chunks:
        player = chunk.flatten().to_numpy()
        players += [np.count_nonzero(player == each) for each in Player]
    return ShardRecord(
        path=path,
        config=config,
        split=split,
        rows=len(table),
        tokens=int(players.sum()),
        tokens_by_player=players.tolist(),
        size_bytes=file.n_bytes,
        sha256=file.sha256,
    )


def write_stream(file: HashingFile, table: pa.Table) -> None:
    """Write a table as an Arrow IPC stream, which `datasets` and others map in place."""
    with pa.ipc.new_stream(pa.PythonFile(file, mode="w"), table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)


def _refused(table: pa.Table) -> Iterator[dict[str, Any]]:
    """What can't be used, as the rows of a rejected file."""
    columns = ["source", "source_offset", "id_key", "reason", "raw"]
    for row in table.select(columns).filter(pc.is_valid(table["reason"])).to_pylist():
        # The text may be no text at all, so the id hashes what can be kept of it.
        kept = base64.b64encode(row["raw"] or b"").decode("ascii")
        key = document_key(row["source"], kept, row["id_key"])
        yield {
            "id": row_id(key, episode=None, piece=0),
            "source": row["source"],
            "byte_offset": row["source_offset"],
            "reason": row["reason"],
            "bytes": kept,
        }


def _write_rejected(out: Place, path: str, refused: list[dict[str, Any]]) -> list[File]:
    if not refused:
        return []
    with atomic_file(out / path) as file:
        for each in refused:
            file.write((json.dumps(each) + "\n").encode())
    return [{"path": path, "rows": len(refused), "sha256": file.sha256}]


def _damage(refused: dict[str, Any]) -> Damage:
    return {
        "source": refused["source"],
        "byte_offset": refused["byte_offset"],
        "reason": refused["reason"].removeprefix(DAMAGED),
    }


def _counts(table: pa.Table, rows: dict[str, Rows]) -> ChunkCounts:
    """Sums over a piece; nested dicts of ints, so that sums over pieces and chunks are sums."""
    is_used = pc.is_valid(table["text"])
    reasons = Counter(reason_kind(each) for each in table["reason"].to_pylist() if each)
    lists = table["spans"].combine_chunks()
    spans = lists.flatten()
    return {
        "documents": len(table),
        "documents_rejected": len(table) - pc.sum(is_used).as_py() if len(table) else 0,
        "bytes": int(pc.sum(pc.binary_length(table["text"])).as_py() or 0),
        "rejected": dict(reasons),
        "episodes_by_game": _episodes_by_game(lists),
        "bytes_by_game": _bytes_by(spans, "game"),
        "bytes_by_kind": _bytes_by(spans, "kind"),
        "configs": {name: _config_counts(made) for name, made in rows.items()},
    }


def _episodes_by_game(spans: pa.ListArray) -> dict[str, int]:
    flat = spans.flatten()
    columns = {name: flat.field(name) for name in ("game", "episode")}
    table = pa.table({"document": pc.list_parent_indices(spans), **columns})
    inside = table.filter(pc.is_valid(table["episode"]))
    episodes = inside.group_by(["document", "episode", "game"]).aggregate([])
    counts = pc.value_counts(episodes["game"].combine_chunks()).to_pylist()
    return {each["values"]: each["counts"] for each in counts}


def _bytes_by(spans: pa.StructArray, column: str) -> dict[str, int]:
    sizes = pc.subtract(spans.field("byte_end"), spans.field("byte_start"))
    table = pa.table({"name": spans.field(column), "bytes": sizes})
    sums = table.group_by("name").aggregate([("bytes", "sum")]).to_pylist()
    return {row["name"]: row["bytes_sum"] for row in sums}


def _config_counts(made: Rows) -> ConfigCounts:
    return {
        "rows": len(made.table),
        "documents_dropped": made.documents_dropped,
        "episodes_dropped": made.episodes_dropped,
        "bytes_left_out": made.bytes_left_out,
    }
