"""`duologue export`: episodes of an output in a form that any other trainer reads."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from jobs.view import on_one_line
from pipeline.atomic import HashingFile, atomic_folder
from pipeline.card import dataset_card
from pipeline.commit import add_counts
from pipeline.output import read_manifest
from pipeline.read_shards import mapped_shard, shards_of, tokenizer_of
from schemas.errors import UserError
from schemas.messages import CHAT
from schemas.words import counted
from transforms.messages import Chats, messages_of_rows
from transforms.tokenize import SegmentTokenizer

CONFIG = "episodes"


def export_messages(
    folder: Path, out: Path, *, is_parquet: bool, console: Console
) -> dict[str, Any]:
    """Write the episodes of an output as chat examples, a file a split.

    Args:
      folder: output of `duologue prepare`.
      out: new or empty; there whole in the end, or not at all.
      is_parquet: Parquet instead of JSON lines.
      console: for progress, if it is a terminal.

    Returns:
      `files`, {split: {rows, size_bytes, sha256}}; `counts`, the sums of `Chats.counts`; and
      `text_bytes`, of what stands around the episodes in their documents.

    Raises:
      UserError: for anything that the person can mend.
    """
    manifest = read_manifest(folder)
    shards = shards_of(folder, manifest, CONFIG)
    tokenizer = tokenizer_of(folder, manifest).segment_tokenizer()
    watched = track(
        shards, "export", console=console, transient=True, disable=not console.is_terminal
    )
    files: dict[str, dict[str, Any]] = {}
    counts: dict[str, Any] = {}
    suffix = "parquet" if is_parquet else "jsonl"
    with atomic_folder(out) as new:
        for split, of_split in groupby(watched, key=lambda shard: shard["split"]):
            path = new / f"{split}.{suffix}"
            files[split], of_file = _write_file(path, _chats(folder, of_split, tokenizer))
            add_counts(counts, of_file)
            if not files[split]["rows"]:
                path.unlink()
                del files[split]
        if not files:
            raise UserError(_nothing(folder, counts))
        (new / "README.md").write_text(_card(files, suffix))
    text_bytes = manifest["bytes_left_out"].get(CONFIG, {}).get("text", 0)
    return {"files": files, "counts": counts, "text_bytes": text_bytes}


def show_export(out: Path, exported: dict[str, Any]) -> None:
    """Print what was written, what was cut off or left out, and how to load it."""
    counts = exported["counts"]
    splits = ", ".join(f"{split} {file['rows']}" for split, file in exported["files"].items())
    print(f"exported: {counted(counts['episodes'], 'chat example')} ({splits})")
    if counts["questions_cut"]:
        turns = counted(counts["questions_cut"], "last turn")
        print(f"cut off: {turns} of player one, without an answer")
    if counts["answers_cut"]:
        turns = counted(counts["answers_cut"], "first turn")
        print(f"cut off: {turns} of player two, without a question")
    if counts["episodes_left_out"]:
        episodes = counted(counts["episodes_left_out"], "episode")
        print(f"left out: {episodes} without a question and its answer")
    if exported["text_bytes"]:
        text = counted(exported["text_bytes"], "byte")
        print(f"left out: {text} of text around the episodes, such as what a system message says")
    print(f'load it with datasets.load_dataset("{on_one_line(str(out))}")')


def _chats(
    folder: Path, shards: Iterable[dict[str, Any]], tokenizer: SegmentTokenizer
) -> Iterator[Chats]:
    """The chat examples of shards, a record batch at a time."""
    for shard in shards:
        with mapped_shard(folder, shard) as reader:
            for batch in reader:
                yield messages_of_rows(pa.Table.from_batches([batch]), tokenizer)


def _write_file(path: Path, chats: Iterator[Chats]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write chat examples as they come; returns what the file is, and their counts."""
    counts: dict[str, Any] = {}
    writing = _parquet if path.suffix == ".parquet" else _json_lines
    with path.open("wb") as raw:
        file = HashingFile(raw)
        with writing(file) as write:
            for each in chats:
                write(each.table)
                add_counts(counts, each.counts)
    record = {"rows": counts["episodes"], "size_bytes": file.n_bytes, "sha256": file.sha256}
    return record, counts


@contextlib.contextmanager
def _json_lines(file: HashingFile) -> Iterator[Callable[[pa.Table], None]]:
    def write(table: pa.Table) -> None:
        for row in table.to_pylist():
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    yield write


@contextlib.contextmanager
def _parquet(file: HashingFile) -> Iterator[Callable[[pa.Table], None]]:
    with pq.ParquetWriter(pa.PythonFile(file, mode="w"), CHAT) as writer:
        yield writer.write_table


def _nothing(folder: Path, counts: dict[str, Any]) -> str:
    return (
        f"none of the {counts['episodes_left_out']} episodes in {folder} has a question with its "
        "answer after it: prepare text that holds such episodes"
    )


def _card(files: dict[str, dict[str, Any]], suffix: str) -> str:
    rows = [f"| {split} | {file['rows']} |" for split, file in files.items()]
    body = [
        "# Two-player episodes as chat messages",
        "",
        "A row is an episode, made by duologue: `messages` holds its turns, player one as `user`, "
        "player two as `assistant`. Reasoning stands before its answer, in the content, between "
        "`<think>` and `</think>`. Content is text of the corpus and may spell control tokens, "
        "such as `<|im_end|>`.",
        "",
        "| split | rows |",
        "|---|---|",
        *rows,
        "",
    ]
    by_split = {split: [file] for split, file in files.items()}
    return dataset_card({CONFIG: by_split}, f"{{split}}.{suffix}", "\n".join(body))
