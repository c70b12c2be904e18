import pytest

from tests.transforms.segmenting import games, pairs


@pytest.mark.parametrize(
    "text",
    [
        "## Why?\n\nSo.\n\n## How?\n\nThus.\n",
        "## Why? ##\nSo.\n\n## How?\nThus.\n",
        "Why?\n----\n\nSo.\n\nHow?\n----\n\nThus.\n",
        "====\nWhy?\n====\n\nSo.\n\n====\nHow?\n====\n\nThus.\n",
        "1. Why?\n\n   So.\n\n2. How?\n\n   Thus.\n",
        "1) Why?\n\nSo.\n\n2) How?\n\nThus.\n",
        "3.1. Why?\n\nSo.\n\n3.2. How?\n\nThus.\n",
        "Why?\n\nSo.\n\nHow?\n\nThus.\n",
        "  Why?\n    So.\n\n  How?\n    Thus.\n",
        "## Q1: Why?\n\nSo.\n\n## Q2: How?\n\nThus.\n",
    ],
)
def test_headings_that_ask(text):
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_questions_right_above_their_answers():
    text = "What is it?\nIt is.\n\nWho is it?\nHe is.\n\nWhy is it?\nIt is so.\n"
    assert pairs(text) == [
        ("What is it?", "It is."),
        ("Who is it?", "He is."),
        ("Why is it?", "It is so."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "One paragraph.\n\nBut why?\n\nBecause we said so.\n",  # rhetoric
        "Prose that ends\nin a question?\n\nMore prose.\n",
        '"Who are you?"\n\nHe paused.\n\n"Who is he?"\n\nShe left.\n',  # talk in a story
        # Titles of docstrings, each with a line that asks below it.
        "a.is_a\n------\n\nIs it a?\n\na.is_b\n------\n\nIs it b?\n\na.c\n---\n\nC.\n",
        "1. Why?\n2. How?\n3. Who?\n\nThe end.\n",  # a table of contents
        "* Why?\n\n* How?\n\n* Who?\n\ntext\n",
        "Why?\n\nHow?\n\nWho?\n",
        "## Title\n\ntext\n",
        "```\n\n## Why?\n\n```\n",  # code
        "    ## Why?\n\n    text\n",
        "# Why?\n",  # nothing below
    ],
)
def test_what_is_no_question(text):
    assert pairs(text) == []


def test_a_table_of_contents_before_its_answers():
    body = "1. Why?\n\n   So.\n\n2. How?\n\n   Thus.\n\n3. Who?\n\n   He.\n"
    assert pairs(f"1. Why?\n2. How?\n3. Who?\n\n{body}") == [
        ("Why?", "So."),
        ("How?", "Thus."),
        ("Who?", "He."),
    ]


def test_answers_run_to_a_peer_or_higher_heading():
    text = "# T\n\n## Why?\n\nSo.\n\n### Part\n\nMore.\n\n# U\n\ntext\n"
    assert pairs(text) == [("Why?", "So.\n\n### Part\n\nMore.")]


def test_peers_of_questions_are_questions_between_them_only():
    text = "## About\n\na\n\n## Why?\n\nb\n\n## Books\n\nc\n\n## How?\n\nd\n\n## Licence\n\ne\n"
    assert pairs(text) == [("Why?", "b"), ("How?", "d")]
    more = text.replace("## About\n\na\n\n", "").replace("## Licence\n\ne\n", "")
    assert pairs(more) == [("Why?", "b"), ("Books", "c"), ("How?", "d")]


def test_a_section_that_asks_is_a_title_where_its_parts_ask():
    text = "# Any questions?\n\n## Why?\n\nSo.\n\n## How?\n\nThus.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_link_targets_belong_to_what_follows():
    text = "Why?\n----\n\nSo.\n\n.. _how:\n\nHow?\n----\n\nThus.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


@pytest.mark.parametrize(
    "text",
    [
        "Why?\n\nSo.\n\nSECTION TWO\n\nHow?\n\nThus.\n",  # capitals
        "Why?\n\nSo.\n\nThe second part\n\nHow?\n\nThus.\n",  # a title right above a question
        "  Why?\n    So.\n\nThe second part\n  How?\n    Thus.\n",  # less indented
    ],
)
def test_section_titles_end_answers(text):
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_the_next_line_may_hold_an_aside():
    text = "Why? (And when?)\n\nSo.\n\nHow?\n\nThus.\n"
    assert pairs(text) == [("Why? (And when?)", "So."), ("How?", "Thus.")]
    assert games(text) == {"heading"}


def test_the_summary_of_something_in_a_program_is_no_question():
    summary = "Is {} a subtype?\n\nBoth sides are looked at.\n\n"
    text = "".join(f"types.is_{x}\n==========\n\n{summary.format(x)}" for x in ("one", "two"))
    assert pairs(text) == []
    assert len(pairs(text.replace("types.is_", "Types of "))) == 2
