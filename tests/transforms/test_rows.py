import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.delimiters import SCHEMES
from schemas.episode import row_schema
from schemas.keys import document_key, row_id
from tests.transforms.documents import (
    MARKER,
    A,
    C,
    Q,
    byte_level,
    document,
    ids_of_content,
    metaspace,
    players,
    qa,
    table,
    tables,
    words,
)
from tests.transforms.segmenting import documents as raw_documents
from transforms.annotate import trained_actions
from transforms.invariants import row_faults
from transforms.rows import RowConfig, document_rows, episode_rows, redelimit
from transforms.segment import segment_documents
from transforms.tokenize import tokenize_documents

BUILDERS = pytest.mark.parametrize("build", [document_rows, episode_rows])
TOKENIZERS = pytest.mark.parametrize("tokenizer", [byte_level(), metaspace()])


def rows_of(build, documents, tokenizer, delimiters="eos", max_tokens=None):
    config = RowConfig(delimiters=delimiters, max_tokens=max_tokens)
    return build(tokenize_documents(documents, tokenizer), tokenizer, config)


def outline(rows, tokenizer, row=0):
    """(kind, turn, text) of each segment of a row."""
    cells = rows.table.slice(row, 1).to_pylist()[0]
    return [
        (
            each["kind"],
            each["turn"],
            tokenizer.decode(cells["input_ids"][each["start"] : each["end"]]),
        )
        for each in cells["segments"]
    ]


# --- The paper's figures. -------------------------------------------------------------------------

NOVELS = "Harry Potter is a fictional character in a series of novels"


def test_figure_5_gives_each_turn_and_its_eos_to_its_player():
    question, answer = "Who is Harry Potter ?", f"{NOVELS} ."
    unfinished = "Who wrote"
    tokenizer = words(*f"{question} {answer} {unfinished}".split())
    parts = [
        (Q, question, 0),
        (MARKER, "\n", 1, 2),
        (A, answer, 1),
        (MARKER, "\n", 2, 1),
        (Q, unfinished, 2),
    ]
    rows = rows_of(episode_rows, table(document(parts)), tokenizer).table
    ids = rows["input_ids"][0].as_py()
    player = players(rows)
    assert player[:6].tolist() == [1] * 6
    assert player[6:19].tolist() == [2] * 13
    assert player[19] == 1
    assert ids[5] == ids[18] == tokenizer.eos_id
    trained = np.flatnonzero(trained_actions(player, "player-two")) + 1
    assert trained.tolist() == list(range(7, 20))


def test_figure_4_trains_every_action_of_the_bare_text():
    text = f"Who is Harry Potter ? {NOVELS}"
    tokenizer = words(*text.split())
    parts = [(Q, text[:21], 0), (MARKER, " ", 1, 2), (A, NOVELS, 1)]
    rows = rows_of(document_rows, table(document(parts)), tokenizer).table
    bare = redelimit(rows, tokenizer, None)
    assert len(bare["input_ids"][0]) == 16
    assert trained_actions(players(bare), "all").tolist() == [True] * 16


def test_nature_is_trained_in_pre_training_alone():
    tokenizer = words("Some", "prose", "Why", "So")
    rows = rows_of(
        document_rows, table(document("Some prose ", [(Q, "Why", 0), (A, "So", 1)])), tokenizer
    )
    player = players(rows.table)
    assert player.tolist() == [0, 0, 1, 1, 2, 2]
    assert trained_actions(player, "all").all()
    assert trained_actions(player, "player-two").tolist() == [False] * 4 + [True] * 2


# --- What rows hold. ------------------------------------------------------------------------------


def test_documents_keep_all_text_and_episodes_only_what_players_said():
    tokenizer = byte_level()
    documents = table(document("Intro.\n", qa("Why?", "Because."), "\nEnd."))
    whole = rows_of(document_rows, documents, tokenizer)
    assert outline(whole, tokenizer) == [
        ("text", None, "Intro.\n"),
        ("marker", 0, "Q: "),
        ("question", 0, "Why?"),
        ("delimiter", 0, "<eos>"),
        ("marker", 1, "\nA: "),
        ("answer", 1, "Because."),
        ("delimiter", 1, "<eos>"),
        ("text", None, "\nEnd."),
    ]
    assert whole.bytes_left_out == {}
    episodes = rows_of(episode_rows, documents, tokenizer)
    assert [text for _, _, text in outline(episodes, tokenizer)] == [
        "Why?",
        "<eos>",
        "Because.",
        "<eos>",
    ]
    assert episodes.bytes_left_out == {"marker": 7, "text": 12}


@pytest.mark.parametrize(
    ("scheme", "spelled"),
    [
        ("eos", "Why?<eos>Hm.So.<eos>"),
        ("tags", "<question>Why?</question><reasoning>Hm.</reasoning><answer>So.</answer>"),
        (
            "chatml",
            "<|im_start|>user\nWhy?<|im_end|>\n"
            "<|im_start|>assistant\n<think>Hm.</think>So.<|im_end|>\n",
        ),
        ("plain", "Question: Why?\nReasoning: Hm.\nAnswer: So.\n\n"),
        ("none", "Why?\nHm.\nSo.\n\n"),
    ],
)
def test_schemes_are_spelled_as_the_contract_says(scheme, spelled):
    tokenizer = byte_level()
    parts = [(Q, "Why?", 0), (MARKER, " ", 1, 2), (C, "Hm.", 1), (MARKER, " ", 1, 2), (A, "So.", 1)]
    rows = rows_of(episode_rows, table(document(parts)), tokenizer, scheme)
    assert tokenizer.decode(rows.table["input_ids"][0].as_py()) == spelled


def test_chatml_opens_the_turn_at_the_answer_where_there_is_no_reasoning():
    tokenizer = byte_level()
    rows = rows_of(episode_rows, table(document(qa("Why?", "So."))), tokenizer, "chatml")
    text = tokenizer.decode(rows.table["input_ids"][0].as_py())
    assert text.endswith("<|im_start|>assistant\nSo.<|im_end|>\n")


def test_a_segment_of_several_spans_is_delimited_once():
    tokenizer = byte_level()
    parts = [
        (Q, "Why?", 0),
        (MARKER, "\n", 1, 2),
        (A, "One.", 1),
        (MARKER, "\n> ", 1, 2),
        (A, "Two.", 1),
    ]
    rows = rows_of(document_rows, table(document(parts)), tokenizer, "tags")
    text = tokenizer.decode(rows.table["input_ids"][0].as_py())
    assert text == "<question>Why?</question>\n<answer>One.\n> Two.</answer>"


FAR = "Questions\n\n1. Why?\n2. Who?\n3. How?\n\nAnswers\n\n1. So.\n2. He.\n3. Thus.\n"


def test_an_answer_far_from_its_question_is_of_its_episode():
    tokenizer = byte_level()
    documents = segment_documents(raw_documents(FAR))
    episodes = rows_of(episode_rows, documents, tokenizer)
    assert [[text for _, _, text in outline(episodes, tokenizer, row)] for row in range(3)] == [
        ["Why?", "<eos>", "So.", "<eos>"],
        ["Who?", "<eos>", "He.", "<eos>"],
        ["How?", "<eos>", "Thus.", "<eos>"],
    ]
    whole = rows_of(document_rows, documents, tokenizer)
    assert "".join(text for _, _, text in outline(whole, tokenizer)).replace("<eos>", "") == FAR
    assert row_faults(episodes.table, tokenizer, "episodes") == []
    assert row_faults(whole.table, tokenizer, "documents") == []


def test_a_far_answer_that_does_not_fit_takes_its_question_with_it():
    tokenizer = byte_level()
    documents = segment_documents(raw_documents(FAR.replace("So.", "So " * 60 + ".")))
    rows = rows_of(document_rows, documents, tokenizer, max_tokens=40)
    kept = "".join(tokenizer.decode(ids) for ids in rows.table["input_ids"].to_pylist())
    assert "Why?" not in kept
    assert "Who?" in kept
    assert rows.episodes_dropped == {"over max_tokens": 1}


def test_delimiters_have_their_turns_player_and_no_bytes():
    tokenizer = byte_level()
    rows = rows_of(
        document_rows, table(document("Hi ", qa("Why?", "So."))), tokenizer, "tags"
    ).table
    delimiters = [each for each in rows["segments"][0].as_py() if each["kind"] == "delimiter"]
    assert [
        (each["player"], each["turn"], each["episode"], each["byte_start"], each["byte_end"])
        for each in delimiters
    ] == [(1, 0, 0, 6, 6), (1, 0, 0, 10, 10), (2, 1, 0, 14, 14), (2, 1, 0, 17, 17)]


def test_spans_without_tokens_stay_segments():
    tokenizer = words("Why", "So")
    rows = rows_of(
        document_rows,
        table(document([(Q, "Why", 0), (MARKER, "\n", 1, 2), (A, "So", 1)])),
        tokenizer,
    )
    markers = [each for each in rows.table["segments"][0].as_py() if each["kind"] == "marker"]
    assert [(each["start"], each["end"]) for each in markers] == [(2, 2)]


def test_the_commonest_game_names_a_document_and_ties_go_by_the_alphabet():
    def merged(*games):
        spans, text = [], ""
        for ordinal, game in enumerate(games):
            each = document([(Q, "Why?", 0), (A, "So.", 1)], game=game)
            for span in each["spans"]:
                shift = len(text)
                spans.append(
                    span
                    | {"episode": ordinal, "byte_start": span["byte_start"] + shift}
                    | {"byte_end": span["byte_end"] + shift}
                )
            text += each["text"]
        return {"source": "a", "text": text, "spans": spans}

    documents = table(merged("z", "b", "b"), merged("z", "b"), document("prose"))
    rows = rows_of(document_rows, documents, byte_level())
    assert rows.table["game"].to_pylist() == ["b", "b", "text"]
    episodes = rows_of(episode_rows, documents, byte_level())
    assert episodes.table["game"].to_pylist() == ["z", "b", "b", "z", "b"]


def test_ids_come_from_source_text_and_ordinals():
    tokenizer = byte_level()
    named = document(qa("Why?", "So.")) | {"id_key": "17"}
    plain = document(qa("Why?", "So."), qa("Who?", "I."))
    documents = table(named, plain)
    key = document_key(plain["source"], plain["text"], None)
    rows = rows_of(document_rows, documents, tokenizer).table
    assert rows["id"].to_pylist() == [
        row_id(document_key("", "", "17"), episode=None, piece=0),
        row_id(key, episode=None, piece=0),
    ]
    episodes = rows_of(episode_rows, documents, tokenizer).table
    assert episodes["id"].to_pylist()[1:] == [row_id(key, episode=each, piece=0) for each in (0, 1)]


def test_documents_without_a_row_are_counted_by_reason():
    tokenizer = byte_level()
    rejected = {"source": "bad", "text": None, "reason": "bytes", "raw": b"\xff", "spans": None}
    documents = table(
        document(source="empty"),
        document("prose", source="prose"),
        document([(Q, "Why?", 0)], source="asked"),
        rejected,
        document(qa("Why?", "So."), source="good"),
    )
    whole = rows_of(document_rows, documents, tokenizer)
    assert whole.table["source"].to_pylist() == ["prose", "asked", "good"]
    assert whole.documents_dropped == {"empty": 1}
    episodes = rows_of(episode_rows, documents, tokenizer)
    assert episodes.table["source"].to_pylist() == ["good"]
    assert episodes.documents_dropped == {"empty": 1, "no episode": 1, "no answer": 1}
    assert episodes.episodes_dropped == {"no answer": 1}
    assert episodes.bytes_left_out == {"marker": 7, "dropped": 9}


@BUILDERS
def test_tables_without_a_document_give_tables_without_a_row(build):
    rows = rows_of(build, table(), byte_level(), max_tokens=16)
    assert rows.table.schema == row_schema(pa.uint16())
    assert len(rows.table) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [({"delimiters": "xml"}, "no delimiter scheme 'xml'"), ({"max_tokens": 3}, "rows of 3 tokens")],
)
def test_configs_that_cannot_be_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        RowConfig(**arguments)


# --- Properties. ----------------------------------------------------------------------------------


@BUILDERS
@TOKENIZERS
@given(documents=tables, scheme=st.sampled_from(sorted(SCHEMES)))
@settings(max_examples=40, deadline=None)
def test_bytes_of_rows_and_bytes_left_out_add_up(build, tokenizer, documents, scheme):
    rows = rows_of(build, documents, tokenizer, scheme)
    kept = sum(
        segment["byte_end"] - segment["byte_start"]
        for segments in rows.table["segments"].to_pylist()
        for segment in segments
    )
    total = sum(len(text.encode()) for text in documents["text"].to_pylist())
    assert kept + sum(rows.bytes_left_out.values()) == total


@TOKENIZERS
@given(documents=tables)
@settings(max_examples=40, deadline=None)
def test_every_document_has_a_row_or_a_reason(tokenizer, documents):
    for build in (document_rows, episode_rows):
        rows = rows_of(build, documents, tokenizer)
        dropped = sum(rows.documents_dropped.values())
        if build is document_rows:
            assert len(rows.table) + dropped == len(documents)
        assert dropped <= len(documents)


@BUILDERS
@TOKENIZERS
@given(
    documents=tables,
    old=st.sampled_from(sorted(SCHEMES)),
    new=st.sampled_from(sorted(SCHEMES)),
)
@settings(max_examples=50, deadline=None)
def test_redelimiting_equals_building_anew(build, tokenizer, documents, old, new):
    built, anew = (rows_of(build, documents, tokenizer, name).table for name in (old, new))
    assert redelimit(built, tokenizer, new).equals(anew)


@BUILDERS
@given(documents=tables)
@settings(max_examples=25, deadline=None)
def test_schemes_move_no_content(build, documents):
    tokenizer = byte_level()
    built = [rows_of(build, documents, tokenizer, name).table for name in SCHEMES]
    bare = redelimit(built[0], tokenizer, None)
    assert all(
        segment["kind"] != "delimiter" for row in bare["segments"].to_pylist() for segment in row
    )
    for rows in built:
        assert ids_of_content(rows) == bare["input_ids"].to_pylist()
        assert redelimit(rows, tokenizer, None).equals(bare)


@given(documents=tables)
@settings(max_examples=40, deadline=None)
def test_rows_of_documents_decode_to_their_documents(documents):
    tokenizer = byte_level()
    bare = redelimit(rows_of(document_rows, documents, tokenizer, "tags").table, tokenizer, None)
    texts = [tokenizer.decode(ids) for ids in bare["input_ids"].to_pylist()]
    assert texts == [text for text in documents["text"].to_pylist() if text]


@given(documents=tables)
@settings(max_examples=25, deadline=None)
def test_rows_do_not_depend_on_how_a_table_is_chunked(documents):
    tokenizer = byte_level()
    parts = pa.concat_tables(
        [documents.slice(index, 1) for index in range(len(documents))] or [documents]
    )
    for build in (document_rows, episode_rows):
        assert rows_of(build, parts, tokenizer) == rows_of(build, documents, tokenizer)
