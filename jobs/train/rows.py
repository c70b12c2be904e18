"""Rows to learn from: the shards of one config and split, mapped, none longer than a context."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.atomic import has_sha256
from pipeline.output import read_manifest
from pipeline.read_shards import shards_of
from schemas.episode import row_schema
from schemas.errors import UserError
from schemas.keys import digest
from transforms.fit import fit_rows
from transforms.pack import BOS_TOKENS
from transforms.tokenize import SegmentTokenizer


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What a run learns from.

    Attributes:
      table: row_schema, or the columns asked for; mapped, but for shards with over-long rows.
      digest: names shards, split and context: the same digest, the same rows.
      episodes_dropped: episodes with an exchange that does not fit into a context.
    """

    table: pa.Table
    digest: str
    episodes_dropped: int


def load_rows(
    out: Path,
    tokenizer: SegmentTokenizer,
    *,
    config: str,
    split: str,
    context: int | None,
    columns: Sequence[str] | None = None,
) -> Rows:
    """Open the rows of a prepared corpus; those that do not fit behind a BOS are split.

    Args:
      out: output of `duologue prepare`.
      tokenizer: its tokenizer.
      config: `documents` or `episodes`.
      split: `train`, `validation` or `test`.
      context: tokens of a packed row; None leaves rows as they are.
      columns: what to keep of the rows; None keeps all.

    Raises:
      UserError: not a finished output, no such rows, or a shard that is missing or damaged.
    """
    manifest = read_manifest(out)
    shards = shards_of(out, manifest, config)
    chosen = [shard for shard in shards if shard["split"] == split]
    if not chosen:
        there = sorted({shard["split"] for shard in shards})
        msg = (
            f"{out} has no {split} split of {config}, only {', '.join(there)}: "
            "prepare it with a larger --holdout"
        )
        raise UserError(msg)
    schema, tables, dropped = row_schema(tokenizer.token_type), [], 0
    # Hashes are most of what this takes: of several shards at once.
    with ThreadPoolExecutor() as pool:
        for table in pool.map(lambda shard: _open(out, shard, schema), chosen):
            if context is not None:
                # Shard by shard: what is fitted is copied.
                fitted = fit_rows(table, tokenizer, context - BOS_TOKENS)
                table, dropped = fitted.table, dropped + fitted.episodes_dropped
            tables.append(table if columns is None else table.select(columns))
    hashes = [shard["sha256"] for shard in chosen]
    return Rows(
        table=pa.concat_tables(tables),
        digest=digest(["rows", manifest["tokenizer_sha256"], context, *hashes]),
        episodes_dropped=dropped,
    )


def _open(out: Path, shard: dict[str, Any], schema: pa.Schema) -> pa.Table:
    path = shard["path"]
    mend = "; the duologue prepare that wrote it, with --repair, makes it again"
    try:
        if (found := (out / path).stat().st_size) != shard["size_bytes"]:
            msg = f"{out / path} has {found} bytes, its manifest says {shard['size_bytes']}{mend}"
            raise UserError(msg)
        if not has_sha256(out / path, shard["sha256"]):
            msg = f"the sha256 of {out / path} is not its manifest's{mend}"
            raise UserError(msg)
        with pa.memory_map(str(out / path)) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
    except (OSError, pa.ArrowException) as error:
        msg = f"the shard {out / path} can't be read ({error}){mend}"
        raise UserError(msg) from error
    if table.schema != schema:
        msg = f"{out / path} does not hold rows of this duologue{mend}"
        raise UserError(msg)
    return table
