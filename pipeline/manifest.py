"""The manifest and the dataset card, built from the records on disk and from nothing else.

So they are the same whoever made the chunks, in whatever order, however often it was killed.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

from pipeline.atomic import atomic_file, write_json
from pipeline.card import dataset_card
from pipeline.commit import add_counts, committed, records, swept
from pipeline.inputs import InputFile
from pipeline.lists import LISTS, write_list
from pipeline.output import CARD, MANIFEST
from pipeline.plan import Plan
from pipeline.remote import Place
from pipeline.tape import Tape
from pipeline.tokenizer import OutputTokenizer
from schemas.config import CONFIGS, SCHEMA_VERSION, PrepareConfig
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.manifest import ChunkRecord


def write_manifest(
    out: Place, plan: Plan, config: PrepareConfig, tokenizer: OutputTokenizer
) -> dict[str, Any]:
    """Write OUT/manifest.json and OUT/README.md; the manifest comes last and means: finished.

    What no record names is swept on the way: records are read once.

    Returns:
      the manifest as `read_manifest` gives it.

    Raises:
      UserError: if a chunk of the plan has no record, or a record is of no chunk.
    """
    _refuse_others(out, plan)
    done = (record for _, record in swept(out, records(out)))
    manifest = manifest_of(done, config, tokenizer, plan.files, plan.skipped)
    card = card_of(manifest)
    shards = manifest["shards"]
    for name in LISTS:
        manifest[name] = write_list(out, name, manifest[name])
    with atomic_file(out / CARD) as file:
        file.write(card.encode())
    write_json(out / MANIFEST, manifest)
    return manifest if isinstance(manifest["shards"], list) else {**manifest, "shards": shards}


def _refuse_others(out: Place, plan: Plan) -> None:
    """Refuse to finish while a chunk of the plan has no record, or a record is of no chunk.

    Raises:
      UserError: if it is so.
    """
    there = committed(out)
    missing = Tape(chunk.digest for chunk in plan.chunks if chunk.digest not in there)
    if len(missing):
        msg = (
            f"{out}: {len(missing)} of {len(plan.chunks)} chunks are not committed, such as "
            f"{missing[0]}: run prepare again (or the missing slices) with the same options"
        )
        raise UserError(msg)
    if len(there) > len(plan.chunks):
        msg = f"{out}: holds chunks of other inputs: run prepare with --update"
        raise UserError(msg)


def manifest_of(
    done: Iterable[ChunkRecord],
    config: PrepareConfig,
    tokenizer: OutputTokenizer,
    files: Iterable[InputFile],
    skipped: dict[str, int],
) -> dict[str, Any]:
    """The manifest, its LISTS on tapes however long they are.

    Args:
      done: records of all chunks, sorted by digest; read once.
      config: what they were made with.
      tokenizer: likewise.
      files: what was read.
      skipped: count of files without a reader, by suffix.
    """
    counts: dict[str, Any] = {}
    # Records come in order, and so do the shards of each config and split.
    shards = {(name, split): Tape[Any]() for name in CONFIGS for split in SPLITS}
    refused, damaged = Tape[Any](), []
    for record in done:
        add_counts(counts, record.counts)
        for shard in sorted(record.shards, key=attrgetter("path")):
            shards[shard.config, shard.split].append(vars(shard))
        for each in sorted(record.rejected, key=itemgetter("path")):
            refused.append(each)
        damaged += record.damaged
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
        "shards": Tape.joined(shards.values()),
        "rejected": counts.pop("rejected", {}),
        "rejected_files": refused,
        "inputs": Tape({"path": each.relative, "size_bytes": each.size_bytes} for each in files),
        "damaged_inputs": Tape(sorted(damaged, key=itemgetter("source"))),
        "skipped_inputs": skipped,
        "drops": {name: each["documents_dropped"] for name, each in of_configs.items()},
        "episode_drops": {name: each["episodes_dropped"] for name, each in of_configs.items()},
        "bytes_left_out": {name: each["bytes_left_out"] for name, each in of_configs.items()},
        "counts": counts,
    }


def card_of(manifest: dict[str, Any]) -> str:
    """The dataset card that goes with a manifest."""
    grouped = {
        config: {
            split: Tape(of_split) for split, of_split in groupby(of_config, itemgetter("split"))
        }
        for config, of_config in groupby(manifest["shards"], itemgetter("config"))
    }
    body = _card_body(manifest, grouped)
    return dataset_card(grouped, "{config}/{split}/*.arrow", body)


def _card_body(
    manifest: dict[str, Any], grouped: dict[str, dict[str, Tape[dict[str, Any]]]]
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
