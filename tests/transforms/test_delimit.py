import numpy as np
import pytest
from hypothesis import given, settings

from schemas.delimiters import SCHEMES, Control, DelimiterScheme
from schemas.episode import Player, SegmentKind
from tests.transforms.documents import (
    MARKER,
    A,
    C,
    Q,
    byte_level,
    document,
    table,
    tables,
    words,
)
from transforms.delimit import insert_delimiters, strip_delimiters
from transforms.flat import COLUMNS, KINDS, segments_of
from transforms.tokenize import one_array, tokenize_documents


def segments(documents, tokenizer):
    tokenized = tokenize_documents(documents, tokenizer)
    return segments_of(one_array(tokenized["spans"]), one_array(tokenized["tokens"]).flatten())


def spelled(delimited, tokenizer):
    return "".join(tokenizer.decode_lists(delimited.token_lists()))


def test_segments_that_alternate_in_a_turn_are_delimited_one_by_one():
    parts = [(Q, "q", 0), (C, "c", 1), (A, "a", 1), (MARKER, " ", 1, 2), (C, "d", 1), (A, "b", 1)]
    found = segments(table(document(parts)), byte_level())
    tags = insert_delimiters(found, SCHEMES["tags"], byte_level())
    assert spelled(tags, byte_level()) == (
        "<question>q</question><reasoning>c</reasoning><answer>a</answer> "
        "<reasoning>d</reasoning><answer>b</answer>"
    )
    chatml = insert_delimiters(found, SCHEMES["chatml"], byte_level())
    assert spelled(chatml, byte_level()) == (
        "<|im_start|>user\nq<|im_end|>\n"
        "<|im_start|>assistant\n<think>c</think>a <think>d</think>b<|im_end|>\n"
    )


def test_a_turns_delimiters_stand_outside_its_segments():
    scheme = DelimiterScheme(
        name="both",
        turns={Player.TWO: (("[",), ("]",))},
        segments={SegmentKind.ANSWER: (("(",), (")",)), SegmentKind.QUESTION: (("?",), ())},
    )
    found = segments(table(document([(Q, "q", 0), (A, "a", 1)])), byte_level())
    assert spelled(insert_delimiters(found, scheme, byte_level()), byte_level()) == "?q[(a)]"


def test_neighbouring_episodes_and_documents_are_told_apart():
    pair = [(Q, "q", 0), (A, "a", 1)]
    # The last turn of one episode and the first of the next may bear the same number.
    lone = [(A, "b", 1)]
    documents = table(document(pair, lone), document(lone))
    delimited = insert_delimiters(segments(documents, byte_level()), SCHEMES["eos"], byte_level())
    assert spelled(delimited, byte_level()) == "q<eos>a<eos>b<eos>b<eos>"


def test_delimiters_without_a_token_are_left_out():
    tokenizer = words("q", "a")
    found = segments(table(document([(Q, "q", 0), (A, "a", 1)])), tokenizer)
    assert insert_delimiters(found, SCHEMES["none"], tokenizer) is found


def test_control_tokens_that_a_tokenizer_lacks_are_named():
    scheme = DelimiterScheme(name="x", turns={Player.ONE: ((Control("<none>"),), ())})
    found = segments(table(document([(Q, "q", 0)])), byte_level())
    with pytest.raises(ValueError, match="'<none>'"):
        insert_delimiters(found, scheme, byte_level())


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@given(documents=tables)
@settings(max_examples=25, deadline=None)
def test_stripping_undoes_inserting(scheme, documents):
    found = segments(documents, byte_level())
    delimited = insert_delimiters(found, scheme, byte_level())
    stripped = strip_delimiters(delimited)
    for column in COLUMNS:
        assert np.array_equal(getattr(stripped, column), getattr(found, column))
    assert stripped.token_lists().equals(found.token_lists())
    added = delimited.take(delimited.kind == KINDS.index(SegmentKind.DELIMITER))
    assert set(added.player.tolist()) <= {Player.ONE, Player.TWO}
    assert (added.byte_start == added.byte_end).all()
