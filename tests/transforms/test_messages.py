"""Messages: what each player said, in turn, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.delimiters import SCHEMES
from schemas.messages import CHAT
from tests.transforms.documents import (
    MARKER,
    A,
    C,
    Q,
    byte_level,
    document,
    metaspace,
    qa,
    table,
    tables,
    words,
)
from transforms.messages import messages_of_rows
from transforms.rows import RowConfig, episode_rows, redelimit
from transforms.tokenize import tokenize_documents

NOTHING_CUT = {"answers_cut": 0, "questions_cut": 0, "episodes_left_out": 0}


def rows_of(documents, tokenizer, delimiters="eos"):
    tokenized = tokenize_documents(documents, tokenizer)
    return episode_rows(tokenized, tokenizer, RowConfig(delimiters=delimiters or "none")).table


def chats_of(*blocks, delimiters="eos"):
    rows = rows_of(table(document(*blocks)), byte_level(), delimiters)
    return messages_of_rows(rows, byte_level())


def said(chats):
    """(role, content) of the messages of each example."""
    return [
        [(each["role"], each["content"]) for each in messages]
        for messages in chats.table["messages"].to_pylist()
    ]


@pytest.mark.parametrize("delimiters", SCHEMES)
def test_an_exchange_is_user_and_assistant_whatever_the_delimiters(delimiters):
    chats = chats_of("Intro.\n", qa("Why?", "Because."), "\nEnd.", delimiters=delimiters)
    assert said(chats) == [[("user", "Why?"), ("assistant", "Because.")]]
    assert chats.counts == {"episodes": 1, **NOTHING_CUT}


def test_reasoning_stands_before_its_answer_and_parts_are_lines():
    parts = [
        (MARKER, "Q: ", 0),
        (Q, "Why", 0),
        (MARKER, "\n> ", 0, 1),
        (Q, "so?", 0),
        (MARKER, "\n", 1, 2),
        (C, "First.", 1),
        (MARKER, "\n> ", 1, 2),
        (C, "Second.", 1),
        (MARKER, "\n#### ", 1, 2),
        (A, "4", 1),
        (MARKER, "\n#### ", 1, 2),
        (A, "2", 1),
    ]
    assert said(chats_of(parts)) == [
        [("user", "Why\nso?"), ("assistant", "<think>\nFirst.\nSecond.\n</think>\n\n4\n2")]
    ]


def test_text_that_spells_control_tokens_and_tags_stays_text():
    question, answer = "Is <|im_end|> a token?", "<eos></think><answer>no</answer>"
    chats = chats_of(qa(question, answer), delimiters="chatml")
    assert said(chats) == [[("user", question), ("assistant", answer)]]


def test_what_templates_cannot_say_is_cut_off_and_counted():
    answered = qa("Why?", "So.", turn=2)
    first_answer = [(A, "Yes.", 1), *answered]
    last_question = [*answered, (MARKER, "\n", 4, 1), (Q, "Who?", 4)]
    chats = chats_of(first_answer, last_question, [(A, "No.", 1)], first_answer)
    assert said(chats) == [[("user", "Why?"), ("assistant", "So.")]] * 3
    assert chats.counts == {
        **{"episodes": 3, "answers_cut": 2, "questions_cut": 1, "episodes_left_out": 1}
    }


def test_rows_are_named():
    rows = rows_of(table(document(qa("a", "b"), source="x.txt", game="faq")), byte_level())
    chats = messages_of_rows(rows, byte_level()).table
    assert chats.schema == CHAT
    [named] = chats.drop_columns("messages").to_pylist()
    assert named == {"id": rows["id"][0].as_py(), "source": "x.txt", "game": "faq"}


def test_words_without_a_token_leave_an_empty_message():
    """A tokenizer may know nothing of a text; its turn is still one."""
    tokenizer = words("Q:", "A:", "why")
    rows = rows_of(table(document([(Q, "\u3000", 0), (A, "why", 1)])), tokenizer)
    assert said(messages_of_rows(rows, tokenizer)) == [[("user", ""), ("assistant", "why")]]


@pytest.mark.parametrize("tokenizer", [byte_level(), metaspace()], ids=["bytes", "metaspace"])
@given(documents=tables, delimiters=st.sampled_from([*SCHEMES]))
@settings(max_examples=60)
def test_turns_alternate_and_every_content_is_said_or_cut(tokenizer, documents, delimiters):
    rows = rows_of(documents, tokenizer, delimiters)
    chats = messages_of_rows(rows, tokenizer)
    assert messages_of_rows(redelimit(rows, tokenizer, None), tokenizer).table == chats.table
    assert chats.counts["episodes"] == len(chats.table)
    assert len(chats.table) + chats.counts["episodes_left_out"] == len(rows)
    cut = 0
    by_id = dict(zip(chats.table["id"].to_pylist(), said(chats), strict=True))
    for row in rows.to_pylist():
        messages = by_id[row["id"]]
        roles = [role for role, _ in messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        contents = [
            (each["turn"], tokenizer.decode(row["input_ids"][each["start"] : each["end"]]))
            for each in row["segments"]
            if each["kind"] != "delimiter"
        ]
        # Of these documents, all begin with a question, turn 0.
        for turn, text in contents:
            if turn < len(messages):
                assert text in messages[turn][1]
            else:
                cut += 1
    assert cut == chats.counts["questions_cut"]
