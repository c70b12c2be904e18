"""`duologue verify`: is every byte what was committed, and does every row keep its promises?"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.atomic import has_sha256, json_bytes
from pipeline.commit import CHUNKS, REJECTED, RUN, chunk_record, committed
from pipeline.lists import LISTS, list_file, read_list
from pipeline.manifest import card_of, manifest_of
from pipeline.output import (
    CARD,
    CONFIG,
    MANIFEST,
    TOKENIZER_FILES,
    known_configs,
    read_config,
    stored_manifest,
)
from pipeline.plan import noted_inputs, read_plan
from pipeline.read_shards import opened_shard
from pipeline.remote import Place
from pipeline.tape import Tape
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer
from schemas.config import CONFIGS, PrepareConfig
from schemas.delimiters import SCHEMES
from schemas.episode import Player, row_schema
from schemas.errors import UserError
from schemas.keys import split_of
from schemas.manifest import ChunkRecord, ShardRecord
from transforms.invariants import row_faults, schema_faults
from transforms.tokenize import SegmentTokenizer

_NOTED = {
    "config": f"{RUN}/{CONFIG}",
    "inputs": f"{RUN}/inputs.jsonl",
    "skipped_inputs": f"{RUN}/inputs.jsonl",
}
"""Fields of the manifest that do not come from records, and where they stand too."""


def verify(out: Place) -> Iterator[str]:
    """The faults of an output, one line each; none means that all that was promised holds.

    Records are sealed, manifest and card follow from them: what they say is what all the rest is
    compared with.

    Raises:
      UserError: if the folder is no finished output.
    """
    manifest = stored_manifest(out)
    config = read_config(out)
    tokenizer, faults = _tokenizer(out, manifest, config)
    done, damaged = _records(out)
    expected = None
    lost: list[str] = []
    if tokenizer and not damaged:
        try:
            expected = _expected(out, manifest, [*done.values()], config, tokenizer)
        except UserError as error:
            faults.append(str(error))
    if expected and (differing := _differing(out, manifest, expected)):
        lost = _lost_records(out, manifest, done)
        faults += _manifest_faults(differing) if not lost else []
    if expected and not lost:
        faults += _card_faults(out, expected)
    faults += [f"{CHUNKS}/{digest}.json: is damaged, or another chunk's" for digest in damaged]
    faults += [f"{CHUNKS}/{digest}.json: is missing" for digest in lost]
    yield from faults
    yield from _strangers(out, done, but={*damaged, *lost})
    # Rows are looked at as the config says, if it is known which that is.
    is_known = len(set(known_configs(out))) == 1
    segments = tokenizer.segment_tokenizer() if tokenizer and is_known else None
    with_row: Counter[str] = Counter()
    n_faults = 0
    for fault in _file_faults(out, done, segments, config, with_row):
        n_faults += 1
        yield fault
    if expected and segments and not (lost or n_faults) and config.source_column is None:
        # Else not all documents were seen, or several may share a source, and rows do not tell
        # them apart.
        yield from _account_faults(expected, with_row)


def _tokenizer(
    out: Place, manifest: dict[str, Any], config: PrepareConfig
) -> tuple[OutputTokenizer | None, list[str]]:
    """The tokenizer, if it is the output's, and what is wrong with its files."""
    text, names = (out / name for name in TOKENIZER_FILES)
    known = {each.tokenizer_sha256 for each in known_configs(out)}
    if not any(has_sha256(text, each) for each in known):
        return None, [f"{text.name}: is missing, or is not the one that the manifest names"]
    template = SCHEMES[config.delimiters].chat_template

    def of_manifest() -> OutputTokenizer:
        tokens = {name: str(manifest["tokenizer"][name]) for name in ("eos", "bos", "pad")}
        return OutputTokenizer(json=text.read_bytes().decode(), chat_template=template, **tokens)

    # Where the manifest is damaged, as will be seen, the file itself says which tokens they are.
    for made in (of_manifest, lambda: load_output_tokenizer(out)):
        try:
            tokenizer = made()
            tokenizer.segment_tokenizer()
        except Exception:
            continue
        is_same = names.is_file() and names.read_bytes() == json_bytes(tokenizer.names)
        return tokenizer, [] if is_same else [f"{names.name}: is not what {MANIFEST} says"]
    return None, [f"{text.name}: is no tokenizer, or lacks what {names.name} names"]


def _records(out: Place) -> tuple[dict[str, ChunkRecord], list[str]]:
    """Records by digest, and the digests of those that are damaged."""
    done, damaged = {}, []
    for digest in sorted(committed(out)):
        try:
            done[digest] = chunk_record(out, digest)
        except UserError:
            damaged.append(digest)
    return done, damaged


def _lost_records(out: Place, manifest: dict[str, Any], done: dict[str, ChunkRecord]) -> list[str]:
    """Digests of chunks without a record: of the plan, or of a shard that the manifest names."""
    named = read_list(out, "shards", manifest.get("shards")) or []
    paths = (each.get("path") for each in named if isinstance(each, dict))
    lost = {_digest_of(path) for path in paths if isinstance(path, str) and (out / path).is_file()}
    with contextlib.suppress(UserError):
        lost |= {chunk.digest for chunk in read_plan(out / RUN).chunks}
    return sorted(lost - done.keys())


def _digest_of(path: str) -> str:
    """The chunk that a file is of, by its name."""
    return PurePosixPath(path).name.partition("-")[0]


def _expected(
    out: Place,
    manifest: dict[str, Any],
    done: list[ChunkRecord],
    config: PrepareConfig,
    tokenizer: OutputTokenizer,
) -> dict[str, Any]:
    """The manifest that records and notes give; its inputs are its own where none are noted."""
    noted = noted_inputs(out / RUN)
    if noted:
        return manifest_of(done, config, tokenizer, noted[0].files, noted[0].skipped)
    own = {
        "inputs": read_list(out, "inputs", manifest.get("inputs")),
        "skipped_inputs": manifest.get("skipped_inputs"),
    }
    return {**manifest_of(done, config, tokenizer, (), {}), **own}


def _differing(out: Place, manifest: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What of the manifest is not as expected: names of fields, and files of long lists."""
    found, files = dict(manifest), []
    for name in LISTS:
        found[name] = read_list(out, name, manifest.get(name))
        if found[name] is None and isinstance(manifest.get(name), dict):
            found[name] = expected[name]
            files.append(list_file(name))
    fields = sorted(found.keys() | expected.keys())
    differing = [name for name in fields if not _is_same(found.get(name), expected.get(name))]
    if not differing and (out / MANIFEST).read_bytes() != json_bytes(manifest):
        differing = ["white space"]
    return files + differing


def _is_same(one: Any, two: Any) -> bool:  # noqa: ANN401 JSON holds anything
    """As JSON, where true is not 1; lists may be long."""
    lists = (list, Tape)
    if isinstance(one, lists) and isinstance(two, lists):
        pairs = zip(one, two, strict=False)
        return len(one) == len(two) and all(json_bytes(a) == json_bytes(b) for a, b in pairs)
    return json_bytes(one) == json_bytes(two)


def _manifest_faults(differing: list[str]) -> Iterator[str]:
    files = [name for name in differing if name in map(list_file, LISTS)]
    yield from (f"{name}: is missing, or not the one that {MANIFEST} names" for name in files)
    fields = [name for name in differing if name not in files]
    for source, names in groupby(fields, lambda name: _NOTED.get(name, CHUNKS)):
        yield f"{MANIFEST}: {', '.join(names)}: not what {source} says"


def _card_faults(out: Place, expected: dict[str, Any]) -> Iterator[str]:
    card = out / CARD
    if not card.is_file() or card.read_bytes() != card_of(expected).encode():
        yield f"{CARD}: is missing, or not the card of these shards"


def _strangers(out: Place, done: dict[str, ChunkRecord], but: set[str]) -> Iterator[str]:
    """Files that no record names; those of some chunks are left out."""
    named = {path for record in done.values() for path in record.paths}
    # Only where shards are: a packed copy may stand beside them.
    found = {
        f"{name}/{path.parent.name}/{path.name}"
        for name in CONFIGS
        for path in (out / name).glob("*/*.arrow")
    }
    found |= {f"{REJECTED}/{path.name}" for path in (out / REJECTED).glob("*")}
    yield from (
        f"{path}: no record names it"
        for path in sorted(found - named)
        if _digest_of(path) not in but
    )


def _file_faults(
    out: Place,
    done: dict[str, ChunkRecord],
    tokenizer: SegmentTokenizer | None,
    config: PrepareConfig,
    with_row: Counter[str],
) -> Iterator[str]:
    """Faults of shards and rejected files; counts documents in `with_row`.

    Rows are looked at only with a tokenizer.
    """
    shards = sorted(
        (shard for record in done.values() for shard in record.shards), key=lambda each: each.path
    )
    for shard in shards:
        if fault := _file_fault(out, shard.path, shard.sha256):
            yield fault
        elif tokenizer:
            try:
                for fault in _shard_faults(out, shard, tokenizer, config, with_row):
                    yield f"{shard.path}: {fault}"
            except (pa.ArrowException, OSError) as error:
                yield f"{shard.path}: is no Arrow stream of rows: {error}"
    for each in (each for record in done.values() for each in record.rejected):
        if fault := _file_fault(out, each["path"], each["sha256"]):
            yield fault


def _file_fault(out: Place, path: str, sha256: str) -> str | None:
    if not (out / path).is_file():
        return f"{path}: is missing"
    return None if has_sha256(out / path, sha256) else f"{path}: its sha256 is not its record's"


def _shard_faults(
    out: Place,
    shard: ShardRecord,
    tokenizer: SegmentTokenizer,
    config: PrepareConfig,
    with_row: Counter[str],
) -> Iterator[str]:
    """Faults of one shard, read a batch at a time; counts its documents in `with_row`."""
    rows, players, previous = 0, np.zeros(len(Player), np.int64), None
    with opened_shard(out / shard.path) as reader:
        if reader.schema != row_schema(tokenizer.token_type):
            yield f"its schema is {reader.schema}, not that of rows"
            return
        for batch in reader:
            # Else offsets of a damaged file lead anywhere in memory.
            batch.validate(full=True)
            table = pa.Table.from_batches([batch])
            if malformed := list(schema_faults(table)):
                yield from malformed
                return
            yield from row_faults(
                table, tokenizer, shard.config, are_ids_from_text=config.id_column is None
            )
            # The rows of a document stand together.
            for source, _ in groupby(table["source"].to_pylist()):
                if source != previous:
                    with_row[shard.config] += 1
                    if split_of(source, config.holdout) != shard.split:
                        yield f"source {source} is not of this split"
                previous = source
            rows += batch.num_rows
            flat = batch.column("player").flatten().to_numpy()
            players += np.bincount(flat, minlength=len(Player))[: len(Player)]
    counted = (rows, players.tolist(), int(players.sum()))
    if counted != (shard.rows, shard.tokens_by_player, shard.tokens):
        yield f"(rows, tokens by player, tokens) are {counted}: not what its record says"


def _account_faults(manifest: dict[str, Any], with_row: Counter[str]) -> Iterator[str]:
    """Documents in = documents with a row + rejected + dropped, for each config."""
    read, refused = manifest["counts"]["documents"], sum(manifest["rejected"].values())
    for name, drops in manifest["drops"].items():
        dropped = sum(drops.values())
        if with_row[name] + refused + dropped != read:
            yield (
                f"{MANIFEST}: {name}: {with_row[name]} documents with a row + {refused} rejected + "
                f"{dropped} dropped are not the {read} that were read"
            )
