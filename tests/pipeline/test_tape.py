"""A tape is a list: the same rows in the same order, whatever the blocks they are packed in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tape import BLOCK_ROWS, Tape

# Names of files need not be UTF-8: Python then holds lone surrogates.
ROWS = st.lists(
    st.tuples(st.sampled_from(["a.txt", "é/\udcff", ""]), st.integers(0, 9)), max_size=9
)
TIMES = st.sampled_from([1, BLOCK_ROWS // 4, BLOCK_ROWS])
LISTS = st.builds(lambda rows, times: rows * times, ROWS, TIMES)


@settings(max_examples=50)
@given(LISTS)
def test_a_tape_gives_its_rows_as_often_as_asked(rows):
    tape = Tape(rows)
    assert [*tape] == [*tape] == rows
    assert len(tape) == len(rows)
    assert [tape[at] for at in range(0, len(rows), 97)] == rows[::97]


@settings(max_examples=50)
@given(st.lists(LISTS, max_size=3), LISTS)
def test_joined_tapes_are_the_rows_of_one_after_another(parts, more):
    joined = Tape.joined(map(Tape, parts))
    for row in more:
        joined.append(row)
    rows = [row for part in (*parts, more) for row in part]
    assert [*joined] == [joined[at] for at in range(len(joined))] == rows


@pytest.mark.parametrize("at", [-1, 2])
def test_there_is_no_row_past_an_end(at):
    with pytest.raises(IndexError):
        Tape(["a", "b"])[at]
