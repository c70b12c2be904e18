"""What the JSON of an output holds, as types: `msgspec.convert` names what is not of them."""

from typing import Annotated, Any, Literal, TypedDict

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A number of things, or an offset: what an int64 column holds."""

PlayerCounts = Annotated[list[Count], msgspec.Meta(min_length=3, max_length=3)]
"""Of players 0, 1, 2."""

Sums = dict[str, Count]
"""Counts by name."""


class File(TypedDict):
    """A file of the output: its path there, how many lines or rows it has, its hash."""

    path: str
    rows: Count
    sha256: str


class Damage(TypedDict):
    """An input that could not be read whole."""

    source: str
    byte_offset: Count | None
    reason: str


class Counts(TypedDict):
    """Sums over documents and the bytes of their spans."""

    documents: Count
    documents_rejected: Count
    bytes: Count
    bytes_by_game: Sums
    bytes_by_kind: Sums
    episodes_by_game: Sums


class ConfigCounts(TypedDict):
    """Of one config: rows, and what has none, by reason or kind."""

    rows: Count
    documents_dropped: Sums
    episodes_dropped: Sums
    bytes_left_out: Sums


class ChunkCounts(Counts):
    """What is counted of a chunk, or a piece of one."""

    rejected: Sums
    configs: dict[str, ConfigCounts]


class Shard(TypedDict):
    """One file of rows; see `pipeline.commit.ShardRecord`."""

    path: str
    config: Literal["documents", "episodes"]
    split: Literal["train", "validation", "test"]
    rows: Count
    tokens: Count
    tokens_by_player: PlayerCounts
    size_bytes: Count
    sha256: str


class TokenizerNames(TypedDict):
    """Control tokens of the tokenizer, and whether its ids give every text back."""

    eos: str
    bos: str
    pad: str
    is_lossless: bool


class Input(TypedDict):
    """A file that was read, by its name in the output."""

    path: str
    size_bytes: Count


class Manifest(TypedDict):
    """OUT/manifest.json; a list of very many entries is a Parquet file beside it, named here."""

    schema_version: Count
    config: dict[str, Any]
    tokenizer_sha256: str
    tokenizer: TokenizerNames
    shards: list[Shard]
    rejected: Sums
    rejected_files: list[File]
    inputs: list[Input] | File
    damaged_inputs: list[Damage] | File
    skipped_inputs: Sums
    drops: dict[str, Sums]
    episode_drops: dict[str, Sums]
    bytes_left_out: dict[str, Sums]
    counts: Counts
