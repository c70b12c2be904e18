"""Shards of a finished output, for those who make something of them: checked, then mapped."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.changes import has_sha256
from schemas.errors import UserError


def shards_of(out: Path, manifest: dict[str, Any], config: str) -> list[dict[str, Any]]:
    """The shards of a config, in the order of the manifest: split by split.

    Raises:
      UserError: if the output has no row of it.
    """
    shards = [shard for shard in manifest["shards"] if shard["config"] == config]
    if not shards:
        there = sorted({shard["config"] for shard in manifest["shards"]})
        msg = (
            f"{out} has no rows of config {config}; there are rows of {', '.join(there) or 'none'}"
        )
        raise UserError(msg)
    return shards


@contextlib.contextmanager
def mapped_shard(out: Path, shard: dict[str, Any]) -> Iterator[pa.RecordBatchReader]:
    """The record batches of a shard, mapped: what is not looked at is not read again.

    Raises:
      UserError: if the file is missing, or is not the one that the manifest names.
    """
    path = out / shard["path"]
    if not has_sha256(path, shard["sha256"]):
        why = "its sha256 is not the manifest's" if path.is_file() else "it is missing"
        msg = (
            f"the shard {path} can't be used, {why}: run the duologue prepare that wrote it again "
            "with --repair"
        )
        raise UserError(msg)
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        yield reader
