"""What `duologue inspect` prints: a summary of an output, and some of its rows by player."""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tokenizers import Tokenizer

from jobs.view import Segment, on_one_line, say, show_heading, show_legend, show_segments
from pipeline.output import read_manifest
from pipeline.read_shards import opened_shard
from pipeline.remote import Place, place
from pipeline.tape import Tape
from schemas.episode import row_schema
from schemas.errors import UserError
from schemas.keys import digest
from transforms.invariants import schema_faults

_TEXT_LINES = 6
_DAMAGED_SHOWN = 10


class _Row(NamedTuple):
    """Where a row is; rows sort by how soon they are drawn."""

    is_before: bool  # the id stands before the seed's point, so it comes after the others
    id: str
    shard: str
    batch: int
    row: int


def inspect(
    out_dir: Place,
    *,
    console: Console,
    config: str | None = None,
    split: str = "train",
    n_rows: int = 3,
    seed: int = 0,
) -> None:
    """Prints a summary of an output of `duologue prepare` and some of its rows.

    Args:
      out_dir: the output.
      console: where to.
      config: `episodes` or `documents`; by default the first of them that has rows in the split.
      split: `train`, `validation` or `test`.
      n_rows: how many rows to draw; the same ones each time, whatever the number of shards.
      seed: another seed draws other rows.

    Raises:
      UserError: if the folder is not a finished output, or has no such rows.
    """
    manifest = read_manifest(out_dir)
    show_summary(manifest, console)
    if n_rows > 0:
        shards = _shards_of(manifest, config, split, out_dir)
        tokenizer = _tokenizer_of(out_dir)
        show_legend(console)
        for row in draw_rows((out_dir / shard["path"] for shard in shards), n_rows, seed=seed):
            show_row(row, tokenizer, console)


def show_summary(manifest: Mapping[str, Any], console: Console) -> None:
    """Prints rows and tokens by player, share of bytes in episodes, games, drops and damage."""
    _show_table(console, _rows_table(manifest["shards"]))
    counts = manifest["counts"]
    bytes_by_game, n_bytes = counts["bytes_by_game"], counts["bytes"]
    if n_bytes:
        in_episodes = sum(size for game, size in bytes_by_game.items() if game != "text")
        say(console, f"bytes in episodes: {in_episodes / n_bytes:.1%} of {n_bytes:,}")
    if games := counts["episodes_by_game"]:
        _show_table(console, _games_table(games, bytes_by_game, n_bytes))
    for config, reasons in sorted(manifest["drops"].items()):
        _reasons(console, f"documents dropped from {config}", reasons)
    for config, reasons in sorted(manifest["episode_drops"].items()):
        _reasons(console, f"episodes dropped from {config}", reasons)
    _reasons(console, "documents rejected", manifest["rejected"])
    _damage(console, manifest["damaged_inputs"])


def draw_rows(shards: Iterable[Place], n_rows: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Draws rows by their ids, which are hashes: those that follow the seed's point on their ring.

    Only the ids of the shards are read, then the rows drawn.

    Args:
      shards: Arrow IPC stream files.
      n_rows: how many; fewer where there are fewer.
      seed: names the point.

    Raises:
      UserError: if a shard can't be read; it is named.
    """
    point = digest(["inspect", seed])
    places = (each for shard in shards for each in _first_of_shard(shard, point, n_rows))
    drawn = heapq.nsmallest(n_rows, places)
    rows: dict[_Row, dict[str, Any]] = {}
    for shard in {each.shard for each in drawn}:
        wanted = [each for each in drawn if each.shard == shard]
        rows.update(_rows_at(place(shard), wanted))
    return [rows[each] for each in drawn]


def show_row(row: Mapping[str, Any], tokenizer: Tokenizer, console: Console) -> None:
    """Prints a row of a shard, each segment in its player's colour.

    Args:
      row: of `schemas.episode.row_schema`.
      tokenizer: the one that wrote `input_ids`.
      console: where to.
    """
    cut = ", a part of a longer one" if row["is_truncated"] else ""
    show_heading(
        console, f"{row['source']}  {row['game']}, {len(row['input_ids'])} tokens{cut}, {row['id']}"
    )
    # A segment is decoded whole: its tokens may share the bytes of one character.
    segments = (
        Segment(
            kind=segment["kind"],
            text=tokenizer.decode(
                row["input_ids"][segment["start"] : segment["end"]], skip_special_tokens=False
            ),
            game=segment["game"],
            episode=segment["episode"],
        )
        for segment in row["segments"]
    )
    show_segments(console, segments, text_lines=_TEXT_LINES)


def _tokenizer_of(out_dir: Place) -> Tokenizer:
    path = out_dir / "tokenizer.json"
    try:
        return Tokenizer.from_str(path.read_bytes().decode())
    except Exception as error:
        # tokenizers raises plain Exception for anything that is no tokenizer.
        msg = f"{path} can't be read ({error}); `duologue prepare --repair` makes it again"
        raise UserError(msg) from error


def _shards_of(
    manifest: Mapping[str, Any], config: str | None, split: str, out_dir: Place
) -> Tape[Mapping[str, Any]]:
    shards = Tape(shard for shard in manifest["shards"] if shard["rows"])
    for name in ("episodes", "documents") if config is None else (config,):
        found = Tape(s for s in shards if (s["config"], s["split"]) == (name, split))
        if found:
            return found
    there = sorted({f"{shard['config']}/{shard['split']}" for shard in shards})
    wanted = f"{config or 'any config'}/{split}"
    msg = f"{out_dir} has no rows in {wanted}; there are rows in {', '.join(there) or 'none'}"
    raise UserError(msg)


def _first_of_shard(shard: Place, point: str, n_rows: int) -> Iterator[_Row]:
    """The first rows of each batch; one sort of strings a batch, no Python over all ids."""
    with _opened(shard) as batches:
        for ordinal, batch in enumerate(batches):
            ids = _checked(batch.select(["id"]))
            keyed = pl.Series("id", ids.column("id")).to_frame().with_row_index("row")
            keyed = keyed.with_columns(is_before=pl.col("id") < point)
            first = keyed.sort("is_before", "id", "row").head(n_rows)
            for row, row_id, is_before in first.iter_rows():
                yield _Row(is_before, row_id, str(shard), ordinal, row)


def _rows_at(shard: Place, places: Collection[_Row]) -> Iterator[tuple[_Row, dict[str, Any]]]:
    """The rows that stand at places of a shard."""
    with _opened(shard) as batches:
        for ordinal, batch in enumerate(batches):
            wanted = [place for place in places if place.batch == ordinal]
            rows = _checked(batch) if wanted else batch
            yield from ((place, rows.slice(place.row, 1).to_pylist()[0]) for place in wanted)


@contextmanager
def _opened(shard: Place) -> Iterator[pa.RecordBatchReader]:
    """The batches of a shard, mapped, so that columns not looked at are not read.

    Raises:
      UserError: if the shard can't be read, or what is read of it is damaged.
    """
    try:
        with opened_shard(shard) as reader:
            if reader.schema not in (row_schema(pa.uint16()), row_schema(pa.uint32())):
                msg = "it does not hold rows of this duologue"
                raise ValueError(msg)
            yield reader
    except (OSError, ValueError, pa.ArrowException) as error:
        msg = f"the shard {shard} can't be read ({error}); `duologue prepare --repair` rewrites it"
        raise UserError(msg) from error


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch; in a damaged one offsets lead anywhere in memory, and nulls stand where none may.

    Raises:
      ValueError: if it is one.
    """
    batch.validate(full=True)
    if faults := [*schema_faults(pa.Table.from_batches([batch]))]:
        raise ValueError(faults[0])
    return batch


def _rows_table(shards: Iterable[Mapping[str, Any]]) -> Table:
    headings = ("config", "split", "rows", "tokens", "nature", "player one", "player two")
    table = _table(headings, n_of_words=2)
    groups: dict[tuple[str, str], list[int]] = {}
    for shard in shards:
        key = (shard["config"], shard["split"])
        numbers = [shard["rows"], shard["tokens"], *shard["tokens_by_player"]]
        totals = groups.get(key, [0] * len(numbers))
        groups[key] = [total + number for total, number in zip(totals, numbers, strict=True)]
    # The splits of a config stay in the manifest's order.
    for key, (rows, tokens, *by_player) in sorted(groups.items(), key=lambda item: item[0][0]):
        names = (Text(on_one_line(name)) for name in key)
        shares = (f"{number:,} ({number / max(tokens, 1):.0%})" for number in by_player)
        table.add_row(*names, f"{rows:,}", f"{tokens:,}", *shares)
    return table


def _games_table(games: Mapping[str, int], bytes_by_game: Mapping[str, int], n_bytes: int) -> Table:
    table = _table(("game", "episodes", "bytes", "share of bytes"), n_of_words=1)
    for game, n_episodes in sorted(games.items(), key=lambda item: (-item[1], item[0])):
        size = bytes_by_game.get(game, 0)
        share = f"{size / max(n_bytes, 1):.1%}"
        table.add_row(Text(on_one_line(game)), f"{n_episodes:,}", f"{size:,}", share)
    return table


def _table(headings: Sequence[str], *, n_of_words: int) -> Table:
    """A table whose first columns are words and whose others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for ordinal, heading in enumerate(headings):
        table.add_column(heading, justify="left" if ordinal < n_of_words else "right", no_wrap=True)
    return table


def _show_table(console: Console, table: Table) -> None:
    # As wide as it is: rich would cut numbers off at 80 columns where there is no terminal.
    table.width = console.measure(table, options=console.options.update(width=10_000)).maximum
    console.print(table, crop=False, soft_wrap=True)


def _reasons(console: Console, words: str, reasons: Mapping[str, int]) -> None:
    if reasons:
        by_number = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        listing = ", ".join(f"{reason} {number:,}" for reason, number in by_number)
        say(console, f"{words}: {listing}")


def _damage(console: Console, damaged: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
    if isinstance(damaged, Mapping):  # too many for the manifest, which names their file
        say(console, f"damaged inputs: {damaged['rows']:,}, listed in {damaged['path']}")
    elif damaged:
        say(console, f"damaged inputs: {len(damaged):,}")
        for entry in damaged[:_DAMAGED_SHOWN]:
            say(console, f"  {entry['source']}: {entry['reason']}")
