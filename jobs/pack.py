"""`duologue pack`: rows of an output, packed into contexts that trainers take as they are."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import track

from jobs.view import on_one_line
from pipeline.atomic import HashingFile, atomic_folder
from pipeline.card import dataset_card
from pipeline.commit import add_counts
from pipeline.output import MANIFEST, TOKENIZER_FILES, read_manifest
from pipeline.read_shards import mapped_shard, shards_of, tokenizer_of
from pipeline.tokenizer import OutputTokenizer
from pipeline.write_shards import write_stream
from schemas.config import CONFIGS
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.words import counted
from transforms.annotate import OBJECTIVES
from transforms.fit import FittedRows, fit_rows
from transforms.pack import BOS_TOKENS, Packed, pack_rows
from transforms.split import MIN_ROW_TOKENS
from transforms.tokenize import SegmentTokenizer

PACKING = "packing.json"
PACKING_VERSION = 1
MIN_CONTEXT = MIN_ROW_TOKENS + BOS_TOKENS

_SUMMED = ("rows", "tokens", "trained_tokens")
"""Of shards; what summaries show."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackConfig:
    """What to pack, and for which loss.

    Raises:
      UserError: if a value is out of its range; the text names the option.
    """

    context: int = 1024
    """Tokens of a packed row, BOS counted."""
    config: str = "documents"
    """Of the output; its rows are packed whole."""
    objective: str = "all"
    """Whose actions are in the loss, a key of OBJECTIVES."""

    def __post_init__(self) -> None:
        """Refuse values that no packing could honour."""
        if self.context < MIN_CONTEXT:
            msg = (
                f"--context {self.context} is too small: expected at least {MIN_CONTEXT}, which "
                "BOS and a character may need"
            )
            raise UserError(msg)
        for option, value, known in (
            ("--config", self.config, CONFIGS),
            ("--objective", self.objective, OBJECTIVES),
        ):
            if value not in known:
                msg = f"{option} {value}: expected one of {', '.join(known)}"
                raise UserError(msg)


def pack(folder: Path, out: Path, config: PackConfig, *, console: Console) -> dict[str, Any]:
    """Pack a config of an output into a folder of its own, a shard for a shard.

    Args:
      folder: output of `duologue prepare`.
      out: new or empty; there whole in the end, or not at all.
      config: what to pack.
      console: for progress, if it is a terminal.

    Returns:
      What stands in OUT/packing.json.

    Raises:
      UserError: for anything that the person can mend.
    """
    manifest = read_manifest(folder)
    shards = shards_of(folder, manifest, config.config)
    tokenizer = tokenizer_of(folder, manifest)
    with atomic_folder(out) as new:
        for name in TOKENIZER_FILES:
            shutil.copyfile(folder / name, new / name)
        loaded = tokenizer.segment_tokenizer()
        written, counts = [], {}
        watched = track(
            shards, "pack", console=console, transient=True, disable=not console.is_terminal
        )
        for shard in watched:
            record, of_shard = _pack_shard(folder, new, shard, loaded, config)
            written += [record] if record else []
            add_counts(counts, of_shard)
        if not written:
            raise UserError(_nothing_trained(folder, config, counts))
        packing = {
            **_made_from(folder, tokenizer, loaded, config),
            "shards": written,
            "counts": counts,
            "fill": _fill(written, config.context),
        }
        (new / PACKING).write_text(json.dumps(packing, indent=1, sort_keys=True) + "\n")
        (new / "README.md").write_text(_card(packing))
    return packing


def show_packing(out: Path, packing: dict[str, Any]) -> None:
    """Print what was packed, what was left out and why, and how to load it."""
    counts, shards = packing["counts"], packing["shards"]
    rows, tokens, trained = (sum(each[key] for each in shards) for key in _SUMMED)
    splits = ", ".join(
        f"{split} {sum(each['rows'] for each in of_split)}"
        for split, of_split in _by_split(shards).items()
    )
    print(
        f"packed: {counted(rows, 'row')} of {packing['context']} tokens, "
        f"{packing['fill']:.1%} full ({splits})"
    )
    print(
        f"trained: {trained} of {tokens} tokens, objective {packing['objective']}; "
        f"the BOS before each document is never trained"
    )
    if counts["rows_split"]:
        print(
            f"split: {counts['rows_split']} of {counts['rows_read']} rows of config "
            f"{packing['config']}, longer than {packing['context'] - BOS_TOKENS} tokens"
        )
    if counts["episodes_dropped"]:
        print(
            f"left out: {counted(counts['episodes_dropped'], 'episode')} with an exchange that "
            f"does not fit, {counted(counts['tokens_dropped'], 'token')}"
        )
    if counts["rows_untrained"]:
        print(
            f"left out: {counted(counts['rows_untrained'], 'row')} (whole or a piece) without a "
            f"trained token, {counted(counts['tokens_untrained'], 'token')}"
        )
    print(f'load it with datasets.load_dataset("{on_one_line(str(out))}")')


def _pack_shard(
    folder: Path,
    new: Path,
    shard: dict[str, Any],
    tokenizer: SegmentTokenizer,
    config: PackConfig,
) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """Pack a shard; returns what was written, None if nothing is trained, and the counts."""
    with mapped_shard(folder, shard) as reader:
        fitted = fit_rows(reader.read_all(), tokenizer, config.context - BOS_TOKENS)
        packed = pack_rows(
            fitted.table,
            context=config.context,
            objective=config.objective,
            bos_id=tokenizer.bos_id,
        )
        if packed.overlong:
            msg = f"{packed.overlong} rows of {shard['path']} are longer than what they were cut to"
            raise AssertionError(msg)
        path = f"{shard['split']}/{Path(shard['path']).name}"
        record = _write_packed(new, path, shard["split"], packed) if packed.rows else None
        return record, _counts(shard, fitted, packed)


def _write_packed(new: Path, path: str, split: str, packed: Packed) -> dict[str, Any]:
    (new / path).parent.mkdir(exist_ok=True)
    with (new / path).open("wb") as raw:
        file = HashingFile(raw)
        write_stream(file, packed.table)
    return {
        "path": path,
        "split": split,
        "rows": len(packed.table),
        "tokens": _n_tokens(packed.table),
        "trained_tokens": packed.trained_tokens,
        "size_bytes": file.n_bytes,
        "sha256": file.sha256,
    }


def _counts(shard: dict[str, Any], fitted: FittedRows, packed: Packed) -> dict[str, int]:
    """Sums over a shard: rows and tokens read are those packed, BOS apart, and those left out."""
    of_fitted = _n_tokens(fitted.table)
    return {
        "rows_read": shard["rows"],
        "rows_split": fitted.rows_split,
        "rows_packed": packed.rows,
        "rows_untrained": packed.untrained,
        "episodes_dropped": fitted.episodes_dropped,
        "tokens_read": shard["tokens"],
        "tokens_dropped": shard["tokens"] - of_fitted,
        "tokens_untrained": of_fitted - (_n_tokens(packed.table) - packed.rows * BOS_TOKENS),
    }


def _made_from(
    folder: Path, tokenizer: OutputTokenizer, loaded: SegmentTokenizer, config: PackConfig
) -> dict[str, Any]:
    return {
        "packing_version": PACKING_VERSION,
        **dataclasses.asdict(config),
        "bos": {"token": tokenizer.bos, "id": loaded.bos_id},
        "source_manifest_sha256": hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
        "tokenizer_sha256": tokenizer.sha256,
    }


def _fill(shards: list[dict[str, Any]], context: int) -> float:
    """Share of the packed rows' tokens that are there."""
    return sum(each["tokens"] for each in shards) / sum(each["rows"] * context for each in shards)


def _n_tokens(table: pa.Table) -> int:
    return pc.sum(pc.list_value_length(table["input_ids"])).as_py() or 0


def _nothing_trained(folder: Path, config: PackConfig, counts: dict[str, int]) -> str:
    dropped = counts["episodes_dropped"]
    too_long = f"; {dropped} episodes do not fit into --context {config.context}" if dropped else ""
    return (
        f"none of the {counts['rows_read']} rows of config {config.config} in {folder} has a token "
        f"that objective {config.objective} trains{too_long}: choose another --objective"
        f"{' or a larger --context' if dropped else ''}, or prepare text that holds episodes"
    )


def _by_split(shards: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {
        split: of_split
        for split in SPLITS
        if (of_split := [shard for shard in shards if shard["split"] == split])
    }


def _card(packing: dict[str, Any]) -> str:
    files = {packing["config"]: _by_split(packing["shards"])}
    rows = [
        f"| {split} | {' | '.join(str(sum(shard[key] for shard in shards)) for key in _SUMMED)} |"
        for split, shards in files[packing["config"]].items()
    ]
    masked = " `assistant_masks` is 1 where they are." if packing["objective"] != "all" else ""
    body = [
        "# Packed two-player episodes",
        "",
        f"Rows of at most {packing['context']} tokens for training, made by duologue. A row holds "
        f"whole {packing['config']}, each behind a BOS of its own; `seq_lengths` says how long "
        "each is, and none may see another. `player` says who emits each token (0 nature, 1 asks, "
        f"2 answers). Tokens in the loss: objective `{packing['objective']}`, BOS never.{masked}",
        "",
        "TRL's SFTTrainer takes these rows as they are with "
        "`SFTConfig(padding_free=True, max_length=None)`. Tokenizer: `tokenizer.json` in this "
        f"folder. `{PACKING}` has hashes and counts.",
        "",
        "| split | rows | tokens | trained tokens |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    return dataset_card(files, "{split}/*.arrow", "\n".join(body))
