"""What is compared on: rows that fit in every arm, and the answers that are scored."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.compare.arms import UNSCORED, Content, Delimiters, content_of, delimiters_of, is_bare
from jobs.compare.config import SPELLED, ComparisonConfig
from jobs.train.rows import load_rows
from pipeline.atomic import atomic_file, has_sha256
from pipeline.output import read_manifest
from pipeline.read_shards import shards_of
from schemas.config import MIN_TEST_SOURCES
from schemas.episode import SegmentKind
from schemas.errors import UserError
from transforms.fit import fit_rows
from transforms.flat import KIND_CODE, Bools, Segments, starts_of_runs
from transforms.pack import BOS_TOKENS
from transforms.rows import redelimit, segments_of_rows
from transforms.strip_cues import strip_cues
from transforms.tokenize import SegmentTokenizer

MIN_TRAIN_EPISODES = 100
"""With fewer, what an arm inserts is hardly ever seen."""

_ANSWER = KIND_CODE[SegmentKind.ANSWER]
_DELIMITER = KIND_CODE[SegmentKind.DELIMITER]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BaseRows:
    """Rows of a split from which every arm is made.

    Attributes:
      rows: row_schema; with any delimiters of the schemes, no row is longer than a context.
      episodes_dropped: episodes with an exchange that does not fit in some arm.
    """

    rows: pa.Table
    episodes_dropped: int


def base_rows(
    corpus: Path,
    tokenizer: SegmentTokenizer,
    *,
    split: str,
    context: int,
    strips_cues: bool,
    schemes: Iterable[str],
) -> BaseRows:
    """Rows of the documents of a split that fit behind a BOS in every arm.

    Rows are split while they carry the delimiters of each scheme in turn, so a piece has the same
    content in all arms.

    Raises:
      UserError: what `load_rows` raises.
    """
    loaded = load_rows(corpus, tokenizer, config="documents", split=split, context=None)
    rows = strip_cues(loaded.table, tokenizer) if strips_cues else loaded.table
    dropped = loaded.episodes_dropped
    for scheme in schemes:
        fitted = fit_rows(redelimit(rows, tokenizer, scheme), tokenizer, context - BOS_TOKENS)
        rows, dropped = fitted.table, dropped + fitted.episodes_dropped
    return BaseRows(rows=redelimit(rows, tokenizer, None), episodes_dropped=dropped)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRows:
    """The base rows of the three splits; every arm and prompt is made of these.

    Attributes:
      train: row_schema, all documents.
      validation: those with an answer; None without the split.
      test: those with an answer.
      dropped: by split, episodes with an exchange that does not fit into a context in some arm.
    """

    train: pa.Table
    validation: pa.Table | None
    test: pa.Table
    dropped: dict[str, int]


def compared_rows(
    corpus: Path, tokenizer: SegmentTokenizer, config: ComparisonConfig
) -> ComparedRows:
    """Open a prepared corpus for comparison.

    Raises:
      UserError: no finished output, or too little in it for the contrasts.
    """
    shards = shards_of(corpus, read_manifest(corpus), "documents")
    splits = {shard["split"] for shard in shards}
    if "test" not in splits:
        raise UserError(_too_few_sources(corpus, 0))

    dropped = {}

    def rows(split: str, schemes: Iterable[str]) -> pa.Table:
        base = base_rows(
            corpus,
            tokenizer,
            split=split,
            context=config.train.context,
            strips_cues=config.cues == "stripped",
            schemes=schemes,
        )
        dropped[split] = base.episodes_dropped
        return base.rows

    test = rows("test", (SPELLED, *config.schemes))
    test = test.filter(pa.array(has_answer(test)))
    n_sources = len(set(test["source"].to_pylist()))
    if n_sources < MIN_TEST_SOURCES:
        unfit = dropped["test"]
        short = f"; {unfit} test episodes do not fit into --context {config.train.context}"
        raise UserError(_too_few_sources(corpus, n_sources) + (short if unfit else ""))
    train = rows("train", config.schemes)
    if (found := n_episodes(train)) < MIN_TRAIN_EPISODES:
        msg = (
            f"{corpus} has {found} episodes to train on that fit into --context "
            f"{config.train.context}; the contrasts take at least {MIN_TRAIN_EPISODES}: "
            "prepare a larger corpus or give a larger --context"
        )
        raise UserError(msg)
    validation = None
    if "validation" in splits:
        validation = rows("validation", config.schemes)
        validation = validation.filter(pa.array(has_answer(validation)))
        # By hash, so that the first few are of all sources.
        validation = validation.sort_by("id") if len(validation) else None
    return ComparedRows(train=train, validation=validation, test=test, dropped=dropped)


def _too_few_sources(corpus: Path, n_sources: int) -> str:
    return (
        f"{corpus} has {n_sources} test sources with an answer; the contrasts take at least "
        f"{MIN_TEST_SOURCES}: prepare it with a larger --holdout, or a larger corpus"
    )


def write_rows(rows: pa.Table, path: Path) -> str:
    """Write rows as an Arrow IPC stream, whole or not at all; returns the file's sha256."""
    with atomic_file(path) as file, pa.ipc.new_stream(pa.PythonFile(file, "w"), rows.schema) as out:
        out.write_table(rows)
    return file.sha256


def read_rows(path: Path, sha256: str) -> pa.Table:
    """Map what `write_rows` wrote.

    Raises:
      UserError: if it is not there or not what was written.
    """
    if not has_sha256(path, sha256):
        msg = f"{path} is missing or was changed: run compare again"
        raise UserError(msg)
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.read_all()


def bare_rows(rows: pa.Table) -> Bools:
    """Bool [rows], the rows of documents that stay bare in every arm."""
    columns = (rows["source"].to_pylist(), rows["source_offset"].to_pylist())
    return np.array([is_bare(*each) for each in zip(*columns, strict=True)], np.bool_)


def train_content(rows: pa.Table) -> Content:
    """The content to learn from; nothing is scored."""
    return content_of(rows, is_bare=bare_rows(rows))


def all_delimiters(
    rows: pa.Table, tokenizer: SegmentTokenizer, schemes: Iterable[str]
) -> dict[str, Delimiters]:
    """What each scheme inserts into the rows."""
    return {scheme: delimiters_of(rows, tokenizer, scheme) for scheme in schemes}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The held-out answers of some rows, which are scored.

    Attributes:
      content: the rows; the tokens of an answer have the cell of its source and game.
      sources: names, sorted.
      games: names, sorted.
      cells: {source, game, answers, tokens, bytes} each; source and game are indices.
    """

    content: Content
    sources: list[str]
    games: list[str]
    cells: list[dict[str, Any]]


def has_answer(rows: pa.Table) -> Bools:
    """Bool [rows], rows that hold a token of an answer."""
    segments = segments_of_rows(rows)
    return np.isin(np.arange(len(rows)), segments.rows[_is_answer(segments)])


def answers_of(rows: pa.Table) -> Answers:
    """The answers of rows, by source and game.

    Markers, reasoning and questions are not scored: only what player two answers.
    """
    segments = segments_of_rows(rows)
    segments = segments.take(segments.kind != _DELIMITER)
    places = np.flatnonzero(_is_answer(segments))
    source_of_row = rows["source"].combine_chunks().dictionary_encode()
    codes = source_of_row.indices.to_numpy()[segments.rows[places]]
    names = source_of_row.dictionary.to_pylist()
    # A cell is a source and a game, in the order of their names.
    order = np.argsort(np.argsort(np.array(names, object)))
    games, game = np.unique(segments.game[places], return_inverse=True)
    n_games = max(len(games), 1)
    keys, inverse = np.unique(order[codes] * n_games + game, return_inverse=True)
    sources = sorted(names)
    # An answer may be several segments of one turn.
    first = starts_of_runs(segments.rows[places], segments.episode[places], segments.turn[places])
    sizes = segments.n_tokens[places]
    n_bytes = segments.byte_end[places] - segments.byte_start[places]
    sums = [np.bincount(inverse, weights=each) for each in (first, sizes, n_bytes)]
    cell = np.full(len(segments), UNSCORED, np.int32)
    cell[places] = inverse
    return Answers(
        content=content_of(rows, is_bare=np.zeros(len(rows), np.bool_), cell=cell),
        sources=sources,
        games=[segments.games[code] for code in games],
        cells=[
            {
                "source": int(key) // n_games,
                "game": int(key) % n_games,
                "answers": int(n_answers),
                "tokens": int(n_tokens),
                "bytes": int(size),
            }
            for key, n_answers, n_tokens, size in zip(keys, *sums, strict=True)
        ],
    )


def n_episodes(rows: pa.Table) -> int:
    """How many episodes there are in rows; one that was split counts in each piece."""
    segments = segments_of_rows(rows)
    inside = segments.take(segments.is_content)
    return np.unique(np.stack([inside.rows, inside.episode]), axis=1).shape[1]


def example_segments(row: dict[str, Any], tokenizer: SegmentTokenizer) -> list[dict[str, Any]]:
    """A row's segments as text, for the report."""
    return [
        {
            "kind": segment["kind"],
            "player": segment["player"],
            "text": tokenizer.decode(row["input_ids"][segment["start"] : segment["end"]]),
        }
        for segment in row["segments"]
    ]


def _is_answer(segments: Segments) -> Bools:
    is_answer: npt.NDArray[np.bool_] = segments.is_content & (segments.kind == _ANSWER)
    return is_answer & (segments.n_tokens > 0)
