"""Fitting: written rows are split as prepare would have split them, without their text."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.delimiters import SCHEMES
from schemas.episode import row_schema
from schemas.keys import piece_id
from tests.transforms.documents import (
    MARKER,
    byte_level,
    document,
    metaspace,
    qa,
    table,
    tables,
    words,
)
from transforms.fit import fit_rows
from transforms.invariants import row_faults
from transforms.rows import RowConfig, document_rows, episode_rows, redelimit
from transforms.tokenize import tokenize_documents

BUILDERS = pytest.mark.parametrize("build", [document_rows, episode_rows])
WORDS = words(*["a", "b", "c", "d", "e", "f", "g", "h", "Q:", "A:", "why", "who", "so", "it"])
TOKENIZERS = pytest.mark.parametrize(
    "tokenizer", [byte_level(), metaspace(), WORDS], ids=["bytes", "metaspace", "words"]
)

SIZES = st.integers(4, 120)
DELIMITERS = st.sampled_from([*SCHEMES, None])


def rows_of(build, documents, tokenizer, max_tokens=None, delimiters="eos"):
    config = RowConfig(delimiters=delimiters or "none", max_tokens=max_tokens)
    rows = build(tokenize_documents(documents, tokenizer), tokenizer, config).table
    return redelimit(rows, tokenizer, None) if delimiters is None else rows


def ids(rows):
    return rows["input_ids"].to_pylist()


def texts_of(rows, tokenizer):
    return [tokenizer.decode(each) for each in ids(rows)]


def pieces_of(fitted, n_rows):
    """The pieces of each row, as dicts."""
    found = [[] for _ in range(n_rows)]
    for parent, piece in zip(fitted.parents.tolist(), fitted.table.to_pylist(), strict=True):
        found[parent].append(piece)
    return found


def answered(rows):
    """The rows in which player two has a token."""
    is_answered = [2 in players for players in rows["player"].to_pylist()]
    return rows.filter(pa.array(is_answered, pa.bool_()))


# --- By example. ----------------------------------------------------------------------------------


def test_a_long_row_is_cut_before_questions_and_its_neighbours_are_as_they_were():
    episode = [*qa("why a", "so b"), *[(MARKER, "\n", 2, 1)], *qa("who c", "it d", turn=2)[1:]]
    short = document("a b c", source="short.txt")
    rows = rows_of(document_rows, table(short, document("a b\n", episode, "\nc d"), short), WORDS)
    fitted = fit_rows(rows, WORDS, 10)
    assert texts_of(fitted.table, WORDS) == [
        "a b c",
        "a b Q: why a <eos> A: so b <eos>",
        "who c <eos> A: it d <eos> c d",
        "a b c",
    ]
    assert fitted.parents.tolist() == [0, 1, 1, 2]
    assert fitted.rows_split == 1
    assert fitted.table["is_truncated"].to_pylist() == [False, True, True, False]
    assert fitted.table.slice(0, 1).equals(rows.slice(0, 1))
    assert fitted.table.slice(3, 1).equals(rows.slice(2, 1))
    whole = rows["id"][1].as_py()
    assert fitted.table["id"].to_pylist()[1:3] == [piece_id(whole, 0), piece_id(whole, 1)]


def test_an_exchange_that_does_not_fit_takes_its_episode_with_it():
    rows = rows_of(document_rows, table(document("a b\n", qa("why", "a b c d e"), "\nc d")), WORDS)
    fitted = fit_rows(rows, WORDS, 6)
    assert texts_of(fitted.table, WORDS) == ["a b", "c d"]
    assert fitted.episodes_dropped == 1


def test_white_space_that_is_no_token_makes_no_piece():
    rows = rows_of(document_rows, table(document("\n", qa("why", "a b c d e"), "\nc d")), WORDS)
    fitted = fit_rows(rows, WORDS, 6)
    assert texts_of(fitted.table, WORDS) == ["c d"]
    assert fitted.table["id"].to_pylist() == [piece_id(rows["id"][0].as_py(), 1)]


def test_a_row_that_is_one_long_exchange_leaves_nothing():
    rows = rows_of(episode_rows, table(document(qa("why", "a b c d e f"))), WORDS)
    fitted = fit_rows(rows, WORDS, 8)
    assert (len(fitted.table), fitted.parents.tolist(), fitted.episodes_dropped) == (0, [], 1)
    assert fitted.table.schema == row_schema(WORDS.token_type)


def test_text_is_cut_at_its_line_ends_with_the_documents_offsets():
    text = "".join(f"line {i} is it\n" for i in range(20))
    rows = rows_of(document_rows, table(document(text)), byte_level())
    halves = fit_rows(rows, byte_level(), len(ids(rows)[0]) // 2 + 4)
    assert len(halves.table) == 2
    # The second row's bytes do not begin at 0.
    [start] = [each["byte_start"] for each in halves.table["segments"][1].as_py()]
    assert start > 0
    pieces = fit_rows(halves.table, byte_level(), 24).table
    for piece in pieces.to_pylist():
        [segment] = piece["segments"]
        found = text.encode()[segment["byte_start"] : segment["byte_end"]].decode()
        assert byte_level().decode(piece["input_ids"]) == found
        assert found.startswith("line")
        assert found.endswith("it\n")


def test_a_context_for_no_character_is_refused():
    rows = rows_of(document_rows, table(document("a")), WORDS)
    with pytest.raises(ValueError, match="3 tokens cannot hold a character"):
        fit_rows(rows, WORDS, 3)


def test_a_part_of_a_word_is_cut_between_its_tokens():
    """Its text alone would be tokenised to fewer ids, so that no offsets are to be had of it."""
    tokenizer = metaspace()
    rows = rows_of(document_rows, table(document("x" + "it" * 40)), tokenizer)
    part = fit_rows(rows, tokenizer, 41).table.slice(2, 1)
    [whole] = ids(part)
    assert len(tokenizer.encode_text(tokenizer.decode(whole))) < len(whole)
    fitted = fit_rows(part, tokenizer, 16).table
    assert list(itertools.chain(*ids(fitted))) == whole
    assert list(map(len, ids(fitted))) == [16, 16, len(whole) - 32]


# --- Properties. ----------------------------------------------------------------------------------


@BUILDERS
@given(documents=tables, max_tokens=SIZES, delimiters=st.sampled_from([*SCHEMES]))
@settings(max_examples=60)
def test_pieces_are_those_that_prepare_makes(build, documents, max_tokens, delimiters):
    tokenizer = byte_level()
    whole = rows_of(build, documents, tokenizer, None, delimiters)
    prepared = rows_of(build, documents, tokenizer, max_tokens, delimiters)
    fitted = fit_rows(whole, tokenizer, max_tokens).table
    if build is episode_rows:
        # A piece without an answer is no row there.
        fitted = answered(fitted)
    assert fitted.drop_columns("id").to_pylist() == prepared.drop_columns("id").to_pylist()


@BUILDERS
@TOKENIZERS
@given(documents=tables, max_tokens=SIZES, delimiters=DELIMITERS)
@settings(max_examples=60)
def test_pieces_fit_and_lose_nothing_but_whole_episodes(
    build, tokenizer, documents, max_tokens, delimiters
):
    rows = rows_of(build, documents, tokenizer, None, delimiters)
    fitted = fit_rows(rows, tokenizer, max_tokens)
    fitted.table.validate(full=True)
    assert fitted.table.schema == rows.schema
    assert all(0 < len(each) <= max_tokens for each in ids(fitted.table))
    if build is document_rows:
        assert row_faults(fitted.table, tokenizer, "documents") == []
    else:
        assert row_faults(answered(fitted.table), tokenizer, "episodes") == []
    lost = 0
    for row, pieces in zip(rows.to_pylist(), pieces_of(fitted, len(rows)), strict=True):
        if len(row["input_ids"]) <= max_tokens:
            assert pieces == [row]
            continue
        kept = {each["episode"] for piece in pieces for each in piece["segments"]}
        segments = [each for each in row["segments"] if each["episode"] in kept | {None}]
        lost += len({each["episode"] for each in row["segments"]} - kept - {None})
        for column in ("input_ids", "player"):
            expected = [
                cell for each in segments for cell in row[column][each["start"] : each["end"]]
            ]
            assert [cell for piece in pieces for cell in piece[column]] == expected
        assert all(piece["is_truncated"] for piece in pieces)
        assert len({piece["id"] for piece in pieces}) == len(pieces)
    assert lost == fitted.episodes_dropped
    assert len(set(fitted.table["id"].to_pylist())) == len(fitted.table) or len(documents) > 1


@BUILDERS
@TOKENIZERS
@given(documents=tables, sizes=st.lists(SIZES, min_size=2, max_size=3))
@settings(max_examples=40)
def test_fitting_again_changes_nothing_and_bytes_tile_at_every_size(
    build, tokenizer, documents, sizes
):
    rows = rows_of(build, documents, tokenizer)
    spans = {_name(each) for each in _segments(rows)}
    for max_tokens in sizes:
        fitted = fit_rows(rows, tokenizer, max_tokens)
        assert fit_rows(fitted.table, tokenizer, max_tokens).table.equals(fitted.table)
        rows = fitted.table
    # Parts of a text follow one another; all other segments are whole.
    parts = [each for each in _segments(rows) if _name(each) not in spans]
    assert all(each["episode"] is None for each in parts)
    assert all(each["byte_start"] <= each["byte_end"] for each in parts)
    for row in rows.to_pylist():
        inside = [each for each in row["segments"] if each["kind"] != "delimiter"]
        for before, after in itertools.pairwise(inside):
            gap = after["byte_start"] - before["byte_end"]
            assert gap >= 0 if build is episode_rows else gap == 0


def _segments(rows):
    return [each for row in rows["segments"].to_pylist() for each in row]


def _name(segment):
    return tuple(segment[key] for key in ("kind", "episode", "turn", "byte_start", "byte_end"))
