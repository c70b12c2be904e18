import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import ChunkKey, digest, document_key, row_id, split_of

FIELDS = st.lists(st.none() | st.text() | st.binary() | st.integers())


@given(FIELDS, FIELDS)
def test_digests_are_equal_for_equal_fields_only(one, other):
    same = [(type(each), each) for each in one] == [(type(each), each) for each in other]
    assert (digest(one) == digest(other)) == same


def test_names_that_are_not_utf_8_have_a_digest():
    assert digest([b"\xff".decode("utf-8", "surrogateescape")]) != digest(["\ufffd"])


def test_keys_tell_documents_episodes_and_pieces_apart():
    keys = {
        document_key("a", "bc", None),
        document_key("ab", "c", None),
        document_key("a", "", "bc"),
    }
    assert len(keys) == 3
    assert document_key("a", "text", "7") == document_key("b", "other", "7")
    ids = {
        row_id("k", episode=episode, piece=piece) for episode in (None, 0, 1) for piece in (0, 1)
    }
    assert len(ids) == 6


def test_chunk_keys_name_their_files_in_order():
    assert ChunkKey(digest="ab").stem == "ab-00000"
    assert ChunkKey(digest="ab", piece=12).stem == "ab-00012"


@pytest.mark.parametrize("holdout", [0.0, 0.1, 0.3])
def test_holdout_is_the_share_of_validation_and_of_test_each(holdout):
    splits = [split_of(f"source {number}", holdout) for number in range(4_000)]
    for split in ("validation", "test"):
        assert splits.count(split) / len(splits) == pytest.approx(holdout, abs=0.03)
