"""Layouts of plain questions: wrapped, numbered, bulleted, bold, without a mark."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.segmenting import games, pairs
from transforms.candidates import Candidates
from transforms.cues.blocks import read_questions
from transforms.lines import split_lines

ASKED = [
    ("Why does the tide\n{0}rise twice a day?", "The moon pulls.\n\nThe sun helps."),
    ("How high is it?", "It varies."),
    ("What is a neap tide\n{0}and when is one?", "A low one."),
]


def listed(opening, closing="", *, wrap="", indent="", between="\n\n"):
    """The pairs, each after an opening with its number."""
    parts = []
    for n, (question, answer) in enumerate(ASKED, 1):
        answer = "\n".join(indent + line if line else line for line in answer.split("\n"))
        question = question.format(wrap)
        parts.append(f"{opening.format(n=n)}{question}{closing}{between}{answer}\n\n")
    return "Tides.\n\nThis page is about tides, and was written long ago.\n\n" + "".join(parts)


def flat(found):
    return [tuple(" ".join(text.split()) for text in each) for each in found]


EXPECTED = flat((question.format(""), answer) for question, answer in ASKED)


@pytest.mark.parametrize(
    "text",
    [
        listed(""),
        listed("", indent="    ", between="\n"),
        listed("    ", wrap="    ", indent="        "),
        listed("{n}. ", wrap="   ", indent="   "),
        listed("{n}. ", wrap="   "),
        listed("{n}) "),
        listed("{n}. ", between="\n"),
        listed("{n}. ", wrap="   ", indent="   ", between="\n"),
        listed("[{n}] "),
        listed("({n}) "),
        listed("3.{n} "),
        listed("3.{n}) "),
        listed("#{n} "),
        listed("{n}.\u00a0", wrap="   "),
        listed("Subject: 2.{n}. "),
        listed("* ", wrap="  ", indent="  "),
        listed("- ", wrap="  ", indent="  ", between="\n"),
        listed("o ", wrap="  ", indent="  "),
        listed("*** "),
        listed(">> "),
        listed("**", "**"),
        listed("**", "**", between="\n"),
        listed("__", "__"),
        listed("*", "*"),
        listed("**{n}. ", "**"),
        listed("{n}. **", "**", wrap="   ", indent="   "),
        listed("Q{n}. "),
        listed("Q{n} - "),
    ],
)
def test_questions_over_several_lines(text):
    assert flat(pairs(text)) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        listed("{n}. ", indent="   "),
        listed("**", "**"),
        listed("## "),
        listed("Q{n}: "),
        listed("Q{n}: ", between="\n"),
        "FREQUENTLY ASKED QUESTIONS\n\n" + listed(""),
        "Häufig gestellte Fragen\n\n" + listed(""),
        "よくある質問\n\n" + listed(""),
    ],
)
def test_questions_without_a_mark(text):
    text = text.replace("?", "").replace("tide\nrise", "tide rise").replace("tide\nand", "tide and")
    assert flat(pairs(text)) == [(question.rstrip("?"), answer) for question, answer in EXPECTED]


def test_an_item_may_ask_twice_and_break_at_a_semicolon():
    asked = ["Why is it?\n   And how is it?", "Some are high;\n   why is that?", "Who?"]
    text = "".join(f"{n}. {question}\n\nSo.\n\n" for n, question in enumerate(asked, 1))
    assert pairs(text) == [(question, "So.") for question in asked]


def test_a_paragraph_that_asks_is_a_question_where_others_are_wrapped_like_it():
    asked = [
        "Why does the tide rise\ntwice a day?",
        "I stood there. It was\nlow. Why?",
        "How high is it?",
    ]
    text = "".join(f"{question}\n\nIt is as it is.\n\n" for question in asked)
    assert pairs(text) == [(question, "It is as it is.") for question in asked]
    # Beside questions of one line it is rhetoric.
    found = pairs(text.replace("rise\ntwice", "rise twice"))
    assert [question for question, _ in found] == [asked[0].replace("\n", " "), asked[2]]


def test_an_item_of_several_sentences_that_ends_in_doubt_is_no_question():
    items = "".join(f"{n}. Why is {n} slow?\n\n   It waits.\n\n" for n in (1, 2, 3))
    doubt = "7. It runs in the root.\n   It cannot write there.\n   Add an option?\n\n   Later.\n"
    assert len(pairs(items + doubt)) == 3


def test_what_goes_on_in_lower_case_starts_no_question():
    asked = ["Must I put it off in order to\nuse it?", "How is it\nput on?", "Why is it so?"]
    text = "".join(f"{question}\n\nIt is as it is.\n\n" for question in asked)
    assert pairs(text) == [(question, "It is as it is.") for question in asked]


def test_a_statement_fills_a_gap_between_numbers_that_ask():
    asked = ["Why?", "It does not start.", "This is huge!", "How?", "First.", "Who?"]
    numbers = [1, 2, 3, 4, 1, 5]
    parts = [f"{n}. {said}\n\nSo.\n\n" for n, said in zip(numbers, asked, strict=True)]
    found = [question for question, _ in pairs("".join(parts))]
    assert found == ["Why?", "It does not start.", "This is huge!", "How?", "Who?"]


def test_a_bold_question_without_a_mark_may_be_long():
    long = "What is the difference between " + "this and " * 12 + "that"
    text = f"**{long}**\n\nSo.\n\n**Why is it?**\n\nThus.\n\n**How is it?**\n\nIt is.\n"
    assert pairs(text)[0] == (long, "So.")


def test_a_numbered_question_without_a_mark_may_be_wrapped():
    asked = ["How is it", "What is meant by that and\n   by this", "Why is it", "Where is it"]
    text = "".join(f"{n}. {question}\n\nSo.\n\n" for n, question in enumerate(asked, 1))
    assert pairs(text) == [(question, "So.") for question in asked]


def test_a_number_among_numbers_that_ask_is_a_question_by_place():
    text = "1. Why?\n\nSo.\n\n2. Books\n\nOne.\n\n3. How?\n\nThus.\n\n4. Who?\n\nHe.\n"
    assert pairs(text)[1] == ("Books", "One.")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("¿Por qué sube?", "Por la luna."),
        ("Pourquoi monte-t-elle\u00a0?", "La lune."),
        ("Warum steigt sie?", "Der Mond."),
        ("Почему?", "Луна."),
        ("なぜですか？", "月です。"),
        ("为什么？", "月亮。"),
        ("« Pourquoi » monte-t-elle ?", "La lune."),
    ],
)
def test_languages(question, answer):
    text = f"{question}\n\n{answer}\n\n" * 3
    assert pairs(text) == [(question, answer)] * 3


@pytest.mark.parametrize(
    "text",
    [
        # Rhetoric closes a paragraph, and a paragraph opens with "And".
        "It rose. Was it\nthe moon?\n\nIt was.\n\nIt fell. Was it\nthe sun?\n\nNo.\n\n"
        "It stood. Was it\nboth?\n\nYes.\n",
        "And was it the\nmoon?\n\nIt was.\n\nBut was it the\nsun?\n\nNo.\n\n"
        "Or was it the\nboth?\n\nX.\n",
        # Steps, none of which asks.
        "1. Open it.\n\nWait.\n\n2. When it opens\n\nPress it.\n\n3. Do not wait\n\nStop.\n",
        "1. Scope\n\nThis act.\n\n2. Terms\n\nIn this act.\n\n3. Fees\n\nNone.\n",  # law
        "[1] A. Author. What is it? 1999.\n\n[2] B. Writer. Who is he? 2001.\n",  # references
        # Items of a list that do not ask stand between those that do.
        "- One talk, and\n  what comes next?\n- Another one\n"
        "- Two talks, and\n  who gives them?\n- X\n",
        "How to hold it\n\nHold it.\n\nHow to turn it\n\nTurn it.\n\nHow to stop\n\nStop.\n",
        # What's new in each release.
        "".join(f"## What's new in 3.{n}?\n\nA.\n\n" for n in range(3)),
        "".join(f"## What broke in 3.{n}?\n\nA.\n\n" for n in range(3)),
        "## What's Changed\n\nA.\n\n" * 3,
        # A quiz that nobody answers.
        "Q1. What is it\n\na) one\nb) two\n\nQ2. Who is it\n\na) he\nb) she\n\nQ3. Why is it\n\n"
        "a) so\nb) thus\n",
        "1. What is the\n   tide?\n\n2. Who is the\n   moon?\n\n3. Why?\n",
    ],
)
def test_what_is_no_question(text):
    assert pairs(text) == []


def test_rhetoric_is_part_of_a_numbered_answer():
    text = "".join(f"{n}. Why {n}?\n\nSo.\n\nBut why?\n\nOnly so.\n\n" for n in range(1, 5))
    assert [answer for _, answer in pairs(text)] == ["So.\n\nBut why?\n\nOnly so."] * 4


def test_a_contents_list_of_wrapped_questions_is_text():
    contents = "* Why does the tide\n  rise twice a day?\n* How high is it?\n"
    contents += "* What is a neap tide\n  and when is one?\n\n"
    assert flat(pairs(contents + listed(""))) == EXPECTED


def test_a_subtitle_without_a_mark_is_part_of_the_answer_among_questions_with_one():
    text = "Why?\nSo.\n\nHow?\nThus.\n\nHow do I turn it\n    Turn it.\n\nWho?\nHe.\n\nWhat?\nIt.\n"
    assert [question for question, _ in pairs(text)] == ["Why?", "How?", "Who?", "What?"]


def test_names_with_underscores_are_not_emphasis():
    text = "__init__ is called?\n\nYes.\n\nWhen is __del__ called?\n\nLate.\n"
    assert pairs(text) == [("__init__ is called?", "Yes."), ("When is __del__ called?", "Late.")]


def test_headings_that_open_with_a_word_that_asks():
    text = "# Guide\n\n## How to turn it\n\nTurn.\n\n## Why it stops\n\nIt does.\n\n"
    text += "## What it costs\n\nNothing.\n"
    assert len(pairs(text)) == 3
    assert pairs(text.replace("## What it", "## Its")) == []
    assert games(text) == {"heading"}


LINES = [
    "",
    "Why is it?",
    "1. Why",
    "2. It is.",
    "so it was;",
    "It was so. Why?",
    "Who",
    "   deep?",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_blocks_ascend_and_do_not_overlap(parts):
    lines = split_lines(pa.chunked_array([["\n".join(parts)]], pa.large_string()))
    questions = read_questions(Candidates(lines))
    assert (questions.line <= questions.last).all()
    assert (questions.line[1:] > questions.last[:-1]).all()
