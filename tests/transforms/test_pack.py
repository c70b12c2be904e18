"""Packing: every row whole, behind a BOS of its own, in one packed row that is full enough."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.annotate import OBJECTIVES, trained_actions
from transforms.pack import pack_rows, packing_plan

CONTEXT = 16
BOS = 999

LENGTHS = st.lists(st.integers(1, CONTEXT), max_size=60)
ROWS = st.lists(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 2)), max_size=20))


def table_of(rows):
    ids = pa.array([[token for token, _ in row] for row in rows], pa.list_(pa.uint16()))
    player = pa.array([[player for _, player in row] for row in rows], pa.list_(pa.uint8()))
    return pa.table({"input_ids": ids, "player": player})


def unpacked(table):
    """(ids, players) of every row that was packed, in order, its BOS checked and taken off."""
    found = []
    for row in table.to_pylist():
        start = 0
        for length in row["seq_lengths"]:
            ids = row["input_ids"][start : start + length]
            player = row["player"][start : start + length]
            assert (ids[0], player[0]) == (BOS, 0)
            found.append(list(zip(ids[1:], player[1:], strict=True)))
            start += length
        assert start == len(row["input_ids"]) <= CONTEXT
    return found


@given(LENGTHS)
def test_a_plan_fills_contexts_and_no_two_would_fit_into_one(lengths):
    lengths = np.array(lengths, np.int64)
    bins = packing_plan(lengths, CONTEXT)
    loads = np.bincount(bins, weights=lengths)
    assert (loads <= CONTEXT).all()
    assert (loads > 0).all()
    assert sum(sorted(loads)[:2]) > CONTEXT or len(loads) < 2
    first = [bins.tolist().index(each) for each in range(len(loads))]
    assert first == sorted(first)


def test_a_row_over_the_context_is_refused():
    with pytest.raises(ValueError, match="17 tokens does not fit into 16"):
        packing_plan(np.array([3, 17]), CONTEXT)


@given(ROWS, st.sampled_from(list(OBJECTIVES)))
def test_every_row_is_packed_once_or_counted(rows, objective):
    packed = pack_rows(table_of(rows), context=CONTEXT, objective=objective, bos_id=BOS)
    players = [np.array([player for _, player in row], np.uint8) for row in rows]
    trained = [int(trained_actions(each, objective).sum()) for each in players]
    fits = [len(row) + 1 <= CONTEXT for row in rows]
    kept = [row for row, n, fit in zip(rows, trained, fits, strict=True) if n and fit]
    assert sorted(unpacked(packed.table)) == sorted(kept)
    assert packed.rows == len(kept)
    assert packed.overlong == fits.count(False)
    assert packed.rows + packed.overlong + packed.untrained == len(rows)
    assert packed.trained_tokens == sum(
        n for n, fit in zip(trained, fits, strict=True) if n and fit
    )


@given(ROWS)
def test_masks_are_the_objectives_actions(rows):
    packed = {
        objective: pack_rows(table_of(rows), context=CONTEXT, objective=objective, bos_id=BOS).table
        for objective in OBJECTIVES
    }
    assert "assistant_masks" not in packed["all"].column_names
    for objective, wanted in (("player-one", 1), ("player-two", 2)):
        for row in packed[objective].to_pylist():
            assert row["assistant_masks"] == [int(player == wanted) for player in row["player"]]


def test_types_are_the_shards():
    table = pack_rows(table_of([[(1, 2)]]), context=4, objective="player-two", bos_id=BOS).table
    assert [str(field.type) for field in table.schema] == [
        "list<item: uint16>",
        "list<item: uint8>",
        "list<item: int32>",
        "list<item: uint8>",
    ]
