import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.delimiters import SCHEMES
from schemas.keys import document_key, row_id
from tests.transforms.documents import (
    MARKER,
    Q,
    byte_level,
    document,
    ids_of_content,
    metaspace,
    qa,
    table,
    tables,
    words,
)
from transforms.cut_text import text_cuts
from transforms.rows import RowConfig, document_rows, episode_rows
from transforms.tokenize import tokenize_documents

BUILDERS = pytest.mark.parametrize("build", [document_rows, episode_rows])
TOKENIZERS = pytest.mark.parametrize("tokenizer", [byte_level(), metaspace()])
WORDS = words(*["a", "b", "c", "d", "e", "f", "g", "h", "Q:", "A:", "why", "who", "so", "it"])


def rows_of(build, documents, tokenizer, max_tokens, delimiters="eos"):
    config = RowConfig(delimiters=delimiters, max_tokens=max_tokens)
    return build(tokenize_documents(documents, tokenizer), tokenizer, config)


def texts_of(rows, tokenizer):
    return [tokenizer.decode(ids) for ids in rows.table["input_ids"].to_pylist()]


def test_rows_are_cut_before_questions_and_never_between_question_and_answer():
    episode = [*qa("why a", "so b"), *[(MARKER, "\n", 2, 1)], *qa("who c", "it d", turn=2)[1:]]
    documents = table(document("a b\n", episode, "\nc d"))
    # 2 tokens of text, then 8 of the first exchange with labels and <eos>, 7 of the second one, 2.
    rows = rows_of(document_rows, documents, WORDS, 10)
    assert texts_of(rows, WORDS) == [
        "a b Q: why a <eos> A: so b <eos>",
        "who c <eos> A: it d <eos> c d",
    ]
    assert rows.table["is_truncated"].to_pylist() == [True, True]
    tight = rows_of(document_rows, documents, WORDS, 8)
    assert texts_of(tight, WORDS) == [
        "a b",
        "Q: why a <eos> A: so b <eos>",
        "who c <eos> A: it d <eos>",
        "c d",
    ]


def test_an_exchange_that_does_not_fit_takes_its_episode_with_it():
    episode = [*qa("why", "so"), (MARKER, "\n", 2, 1), *qa("who", "a b c d e f g h", turn=2)[1:]]
    documents = table(document("a b\n", episode, "\nc d", qa("it", "so")))
    rows = rows_of(document_rows, documents, WORDS, 8)
    assert texts_of(rows, WORDS) == ["a b", "c d Q: it <eos> A: so <eos>"]
    assert rows.episodes_dropped == {"over max_tokens": 1}
    assert rows.table["is_truncated"].to_pylist() == [True, True]
    assert rows.bytes_left_out == {"dropped": sum(len(part[1]) for part in episode)}
    episodes = rows_of(episode_rows, documents, WORDS, 8)
    assert texts_of(episodes, WORDS) == ["it <eos> so <eos>"]
    assert episodes.episodes_dropped == {"over max_tokens": 1}
    assert episodes.table["is_truncated"].to_pylist() == [False]


def test_a_document_that_is_one_long_exchange_is_dropped_and_counted():
    documents = table(document(qa("why", "a b c d e f g h")), document("a b"))
    for build, n_rows in ((document_rows, 1), (episode_rows, 0)):
        rows = rows_of(build, documents, WORDS, 8)
        assert len(rows.table) == n_rows
        assert rows.documents_dropped["over max_tokens"] == 1
        assert rows.episodes_dropped == {"over max_tokens": 1}


def test_an_unanswered_question_is_no_row_of_episodes():
    episode = [*qa("why", "so"), (MARKER, "\n", 2, 1), (Q, "a b c d e f", 2)]
    rows = rows_of(episode_rows, table(document(episode)), WORDS, 8)
    assert texts_of(rows, WORDS) == ["why <eos> so <eos>"]
    assert rows.episodes_dropped == {}
    assert rows.bytes_left_out == {"marker": 8, "dropped": 11}


def test_nature_text_is_cut_at_line_ends():
    rows = rows_of(document_rows, table(document("a b c\nd e\n\n  f g\nh\n")), WORDS, 4)
    assert texts_of(rows, WORDS) == ["a b c", "d e f g", "h"]
    segments = [row[0] for row in rows.table["segments"].to_pylist()]
    assert [(each["byte_start"], each["byte_end"]) for each in segments] == [
        (0, 6),
        (6, 17),
        (17, 19),
    ]


def test_a_line_longer_than_a_row_is_cut_between_words():
    tokenizer = byte_level()
    text = "short\n" + "zyxw vutsr " * 8 + "\nend\n"
    rows = rows_of(document_rows, table(document(text)), tokenizer, 16)
    pieces = texts_of(rows, tokenizer)
    assert "".join(pieces) == text
    assert pieces[0] == "short\n"
    assert all(piece.rstrip().endswith(("zyxw", "vutsr", "end")) for piece in pieces[1:])


def test_no_cut_falls_into_a_character():
    tokenizer = byte_level()
    text = "\U00012345" * 40
    rows = rows_of(document_rows, table(document(text)), tokenizer, 7)
    pieces = texts_of(rows, tokenizer)
    assert "".join(pieces) == text
    assert set(pieces) == {"\U00012345"}


def test_pieces_are_named_by_their_ordinal():
    source = document("a b c\nd e f\n", qa("why", "so"))
    rows = rows_of(document_rows, table(source), WORDS, 6)
    key = document_key(source["source"], source["text"], None)
    pieces = [row_id(key, episode=None, piece=piece) for piece in range(len(rows.table))]
    assert rows.table["id"].to_pylist() == pieces
    assert len(pieces) > 1


@BUILDERS
@TOKENIZERS
@given(
    documents=tables,
    max_tokens=st.integers(4, 120),
    scheme=st.sampled_from(sorted(SCHEMES)),
)
@settings(max_examples=60, deadline=None)
def test_pieces_fit_and_lose_nothing_but_whole_episodes(
    build, tokenizer, documents, max_tokens, scheme
):
    whole = rows_of(build, documents, tokenizer, None, scheme)
    cut = rows_of(build, documents, tokenizer, max_tokens, scheme)
    assert all(len(ids) <= max_tokens for ids in cut.table["input_ids"].to_pylist())
    dropped = cut.episodes_dropped.get("over max_tokens", 0)
    if build is document_rows and not dropped:
        together = [token for ids in cut.table["input_ids"].to_pylist() for token in ids]
        assert together == [token for ids in whole.table["input_ids"].to_pylist() for token in ids]
    kept = sum(
        each["byte_end"] - each["byte_start"]
        for segments in cut.table["segments"].to_pylist()
        for each in segments
    )
    total = sum(len(text.encode()) for text in documents["text"].to_pylist())
    assert kept + sum(cut.bytes_left_out.values()) == total
    assert len(set(cut.table["id"].to_pylist())) == len(cut.table) or len(documents) > 1


@BUILDERS
@given(documents=tables, max_tokens=st.integers(4, 120))
@settings(max_examples=60, deadline=None)
def test_questions_stay_with_their_answers(build, documents, max_tokens):
    rows = rows_of(build, documents, byte_level(), max_tokens)
    whole = rows_of(build, documents, byte_level(), None)

    def exchanges(table):
        """Turns by document, episode and exchange, with the byte ranges of their contents."""
        found = {}
        for row in table.to_pylist():
            for each in row["segments"]:
                if each["kind"] in ("question", "reasoning", "answer"):
                    name = (row["id"], each["episode"], each["turn"] // 2)
                    found.setdefault(name, set()).add((each["byte_start"], each["byte_end"]))
        return found

    def bare(found):
        return {(name[1], name[2], frozenset(ranges)) for name, ranges in found.items()}

    assert bare(exchanges(rows.table)) <= bare(exchanges(whole.table))


@TOKENIZERS
@given(text=st.text(alphabet="ab \n\ré世", max_size=120), max_tokens=st.integers(4, 20))
@settings(max_examples=80, deadline=None)
def test_texts_are_cut_at_lines_wherever_lines_fit(tokenizer, text, max_tokens):
    ids = tokenizer.encode_text(text)
    starts = tokenizer.token_starts(text, ids)
    tokens, byte_starts, is_line = text_cuts(text.encode(), starts, max_tokens)
    assert (np.diff([0, *tokens, len(ids)]) <= max_tokens).all()
    assert (np.diff([0, *byte_starts, len(text.encode())]) >= 0).all()
    for position in byte_starts[is_line].tolist():
        before = text.encode()[:position].decode()
        gap = before[len(before.rstrip()) :]
        assert "\n" in gap or "\r" in gap


@given(text=st.text(alphabet="ab \n\té世👩", max_size=60))
@settings(max_examples=80, deadline=None)
def test_token_starts_agree_between_lengths_and_offsets(text):
    tokenizer = byte_level()
    starts = tokenizer.token_starts(text, tokenizer.encode_text(text))
    assert starts.tolist() == tokenizer._starts_by_offsets(text).tolist()


def test_rows_that_fit_are_not_touched():
    documents = table(document("a b\n", qa("why", "so")), document("a b c d e f g\nh a\n"))
    whole = rows_of(document_rows, documents, WORDS, None).table
    cut = rows_of(document_rows, documents, WORDS, 8).table
    assert cut.slice(0, 1).equals(whole.slice(0, 1))
    assert cut["is_truncated"].to_pylist() == [False, True, True]
    assert ids_of_content(cut)[1] + ids_of_content(cut)[2] == ids_of_content(whole)[1]
