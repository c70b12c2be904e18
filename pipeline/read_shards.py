"""Shards of a finished output and their tokenizer, checked, for who makes something of them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.atomic import has_sha256
from pipeline.remote import Place
from pipeline.tape import Tape
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer
from schemas.errors import UserError
from schemas.keys import SPLITS


def shards_of(out: Place, manifest: dict[str, Any], config: str) -> Tape[dict[str, Any]]:
    """The shards of a config, split by split.

    Raises:
      UserError: if the output has no row of it.
    """
    shards = Tape(
        shard
        for split in SPLITS
        for shard in manifest["shards"]
        if (shard["config"], shard["split"]) == (config, split)
    )
    if not shards:
        there = sorted({shard["config"] for shard in manifest["shards"]})
        msg = (
            f"{out} has no rows of config {config}; there are rows of {', '.join(there) or 'none'}"
        )
        raise UserError(msg)
    return shards


def tokenizer_of(out: Place, manifest: dict[str, Any]) -> OutputTokenizer:
    """The tokenizer that the shards were made with.

    Raises:
      UserError: if the output's is damaged, or another one.
    """
    saved = load_output_tokenizer(out)
    if saved.sha256 != manifest["tokenizer_sha256"]:
        msg = (
            f"{out}/tokenizer.json is not the one that the shards were made with: put it back, or "
            "run the duologue prepare that wrote it again with --repair"
        )
        raise UserError(msg)
    return saved


@contextlib.contextmanager
def mapped_shard(out: Place, shard: dict[str, Any]) -> Iterator[pa.RecordBatchReader]:
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
    with opened_shard(path) as reader:
        yield reader


@contextlib.contextmanager
def opened_shard(path: Place) -> Iterator[pa.RecordBatchReader]:
    """The record batches of a file: of one on this machine mapped, else read one after another.

    Raises:
      pa.ArrowException: if it is no Arrow stream.
      OSError: if it can't be read.
    """
    if isinstance(path, Path):
        opened = pa.memory_map(str(path))
    else:
        opened = pa.PythonFile(path.open(), mode="r")
    with opened as file, pa.ipc.open_stream(file) as reader:
        yield reader
