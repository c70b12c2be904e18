"""What the JSON of an output holds, as types: `msgspec.convert` names what is not of them."""

import dataclasses
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from schemas.config import CONFIGS
from schemas.keys import SPLITS

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A number of things, or an offset: what an int64 column holds."""

PlayerCounts = Annotated[list[Count], msgspec.Meta(min_length=3, max_length=3)]
"""Of players 0, 1, 2."""

ConfigName = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(CONFIGS)})$")]

SplitName = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(SPLITS)})$")]

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """One file of rows, as written.

    Attributes:
      path: relative to the output.
      config: "documents" or "episodes".
      split: "train", "validation" or "test".
      rows: number of rows.
      tokens: number of tokens.
      tokens_by_player: the same by player 0, 1, 2.
      size_bytes: of the file.
      sha256: of the file.
    """

    path: str
    config: ConfigName
    split: SplitName
    rows: Count
    tokens: Count
    tokens_by_player: PlayerCounts
    size_bytes: Count
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """All that a chunk, or a piece of one, wrote and counted.

    Attributes:
      shards: files of rows.
      rejected: {path, rows, sha256} of the files of rejected documents.
      counts: sums, by name; nested dicts of ints.
      damaged: {source, byte_offset, reason} of unreadable inputs.
      n_bytes: bytes that the readers consumed; of the last piece: of the whole chunk.
      blake2b: their hash.
      is_last: False for a piece that others follow.
    """

    shards: list[ShardRecord]
    rejected: list[File]
    counts: ChunkCounts
    damaged: list[Damage]
    n_bytes: Count
    blake2b: str
    is_last: bool = True

    @property
    def paths(self) -> list[str]:
        """Relative paths of all files that the record names."""
        return [shard.path for shard in self.shards] + [each["path"] for each in self.rejected]


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
    shards: list[ShardRecord] | File
    rejected: Sums
    rejected_files: list[File] | File
    inputs: list[Input] | File
    damaged_inputs: list[Damage] | File
    skipped_inputs: Sums
    drops: dict[str, Sums]
    episode_drops: dict[str, Sums]
    bytes_left_out: dict[str, Sums]
    counts: Counts


class TokenizerConfig(TypedDict):
    """Of OUT/tokenizer_config.json, what duologue reads; `transformers` reads the others too."""

    eos_token: str
    bos_token: str
    pad_token: str
    chat_template: NotRequired[str]
