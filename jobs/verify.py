"""`duologue verify`: does the manifest tell the truth, and does every row keep its promises?"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.changes import has_sha256
from pipeline.commit import REJECTED
from pipeline.manifest import differing
from pipeline.output import MANIFEST, read_config, read_manifest
from pipeline.tokenizer import load_output_tokenizer
from schemas.config import CONFIGS, PrepareConfig
from schemas.episode import Player, row_schema
from schemas.keys import split_of
from transforms.invariants import row_faults, schema_faults
from transforms.tokenize import SegmentTokenizer


def verify(out: Path) -> Iterator[str]:
    """The faults of an output, one line each; none means that all that was promised holds.

    Raises:
      UserError: if the folder is no finished output.
    """
    manifest = read_manifest(out)
    config = read_config(out)
    saved = load_output_tokenizer(out)
    if saved.sha256 != manifest.get("tokenizer_sha256"):
        yield "tokenizer.json: is not the one that the manifest names"
        return
    try:
        tokenizer = saved.segment_tokenizer()
    except Exception as error:  # tokenizers raises plain Exception for anything that is none
        yield f"tokenizer.json: is no tokenizer, or lacks what tokenizer_config.json names: {error}"
        return
    if names := differing(out, manifest, config, saved):
        # Which of the two is wrong is not known, so there is nothing to hold the shards against.
        yield f"{MANIFEST}: {', '.join(names)}: not what the records beside it add up to"
        return
    with_row: Counter[str] = Counter()
    named = {shard["path"] for shard in manifest["shards"]}
    # Only where shards are: a packed copy may stand beside them.
    found = {
        path.relative_to(out).as_posix()
        for name in CONFIGS
        for path in out.glob(f"{name}/*/*.arrow")
    }
    yield from (f"{path}: no shard of the manifest" for path in sorted(found - named))
    n_read = 0
    for shard in manifest["shards"]:
        if not (out / shard["path"]).is_file():
            yield f"{shard['path']}: is missing"
        elif not has_sha256(out / shard["path"], shard["sha256"]):
            yield f"{shard['path']}: its sha256 is not the manifest's"
        else:
            n_read += 1
            try:
                for fault in _shard_faults(out, shard, tokenizer, config, with_row):
                    yield f"{shard['path']}: {fault}"
            except (pa.ArrowException, OSError) as error:
                yield f"{shard['path']}: is no Arrow stream of rows: {error}"
    yield from _rejected_faults(out, manifest)
    if n_read == len(manifest["shards"]) and config.source_column is None:
        # Else not all documents were seen, or several may share a source, and rows do not tell
        # them apart.
        yield from _account_faults(manifest, with_row)


def _shard_faults(
    out: Path,
    shard: dict[str, Any],
    tokenizer: SegmentTokenizer,
    config: PrepareConfig,
    with_row: Counter[str],
) -> Iterator[str]:
    """Faults of one shard, read a batch at a time; counts its documents in `with_row`."""
    rows, players, previous = 0, np.zeros(len(Player), np.int64), None
    with pa.memory_map(str(out / shard["path"])) as file, pa.ipc.open_stream(file) as reader:
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
                table, tokenizer, shard["config"], are_ids_from_text=config.id_column is None
            )
            # The rows of a document stand together.
            for source, _ in groupby(table["source"].to_pylist()):
                if source != previous:
                    with_row[shard["config"]] += 1
                    if split_of(source, config.holdout) != shard["split"]:
                        yield f"source {source} is not of this split"
                previous = source
            rows += batch.num_rows
            flat = batch.column("player").flatten().to_numpy()
            players += np.bincount(flat, minlength=len(Player))[: len(Player)]
    counted = (rows, players.tolist(), int(players.sum()))
    if counted != (shard["rows"], shard["tokens_by_player"], shard["tokens"]):
        yield f"(rows, tokens by player, tokens) are {counted}: not what the manifest says"


def _rejected_faults(out: Path, manifest: dict[str, Any]) -> Iterator[str]:
    rows = 0
    for each in manifest["rejected_files"]:
        if not has_sha256(out / each["path"], each["sha256"]):
            yield f"{each['path']}: is missing or its sha256 is not the manifest's"
        rows += each["rows"]
    named = {each["path"] for each in manifest["rejected_files"]}
    found = {path.relative_to(out).as_posix() for path in (out / REJECTED).glob("*")}
    yield from (f"{path}: not named by the manifest" for path in sorted(found - named))
    if rows != sum(manifest["rejected"].values()):
        yield f"{MANIFEST}: counts {sum(manifest['rejected'].values())} rejected, files hold {rows}"


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
