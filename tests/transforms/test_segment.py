import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.episode import CONTENT_KINDS, PLAYER_OF_KIND, SPAN, SegmentKind
from tests.transforms.segmenting import documents, raw_spans, seen
from transforms.segment import segment_documents

FRAGMENTS = [
    "Q: What is it?",
    "A: It is this.",
    "**Q2:** Why?",
    "**A2:** So.",
    "Question 3. How",
    "Answer",
    "A) one",
    "Exercise 1.",
    "Solution.",
    "Answer: 42",
    "The answer is 42.",
    "#### 42",
    "#### A title",
    "so $\\boxed{4}$.",
    "\\boxed{",
    "## How do I?",
    "# Title",
    "Why not?",
    "  Who asks?",
    "1. What?",
    "2) Who?",
    "    body",
    "Answers",
    "Exercises",
    "===",
    "-----------",
    ".. _target:",
    "```",
    ">>> f(1)",
    "... g",
    ">>>",
    "    >>> h()",
    "> quoted",
    "SEE ALSO",
    "def f(x):",
    "def f(",
    '    """Does."""',
    "    '''Does",
    "    return 1",
    "User: hi",
    "Assistant: yes",
    "<|user|>",
    "### Human",
    "Reasoning: as it is",
    "Q: Is it? Reasoning: so. A: It is.",
    "B) two",
    "Answer: B",
    "<think>so</think>",
    "Theorem 1. It is.",
    "Proof. It is so. Hence it is.",
    "\\begin{exercise}",
    "\\end{exercise}",
    "\\begin{solution}",
    "\\end{solution}",
    "$ ls",
    "julia> 1",
    "ANN: Why?",
    "BEN: So.",
    "On Monday, Ann wrote:",
    "> Why?",
    "- **Why?** So.",
    "１．なぜ？",
    "== Why? ==",
    ".TP",
    ".B Why?",
    ".SS Why?",
    "Why?::",
    "@section Why?",
    "From: a",
    "Subject: Re: b",
    "NAME",
    "EXAMPLES",
    "ls - lists",
    "[INST] Hi [/INST] Yo",
    "why is it that so much",
    "is here. But how is it?",
    "prose that goes on",
    "\ufeffQ: x?",
    "\u3000問：何？",
    "答：これ。",
    "\x00",
    "",
    "",
    " \t",
    "\u00a0",
    "\f",
]
adversarial = st.lists(
    st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from(["\n", "\n", "\n\n", "\r\n", ""])),
    max_size=30,
).map(lambda parts: "".join(text + end for text, end in parts))
# The first call compiles the expressions, and tests share machines.
untimed = settings(deadline=None)
# Surrogates are no characters and have no UTF-8.
any_text = st.text(st.characters(exclude_categories=["Cs"]))
texts = st.one_of(any_text, adversarial)


def test_a_pair_with_its_markers():
    assert [tuple(span[:6]) for span in seen("Q: One?\nA: Two.\n")] == [
        ("marker", 0, "label", 0, 0, "Q:"),
        ("marker", 0, "label", 0, 0, " "),
        ("question", 1, "label", 0, 0, "One?"),
        ("marker", 2, "label", 0, 1, "\n"),
        ("marker", 2, "label", 0, 1, "A:"),
        ("marker", 2, "label", 0, 1, " "),
        ("answer", 2, "label", 0, 1, "Two."),
        ("text", 0, "text", None, None, "\n"),
    ]


def test_rejected_and_empty_documents():
    assert raw_spans(None, "", "x") == [
        None,
        [],
        [
            {
                "kind": "text",
                "player": 0,
                "game": "text",
                "episode": None,
                "turn": None,
                "byte_start": 0,
                "byte_end": 1,
                "cue": None,
            }
        ],
    ]


@pytest.mark.parametrize("table", [documents(), documents(None), documents("")])
def test_the_column_has_its_type_whatever_it_holds(table):
    segmented = segment_documents(table)
    assert segmented.schema.field("spans").type == pa.list_(SPAN)
    assert segmented.drop_columns(["spans"]).equals(table)


@untimed
@given(texts)
def test_spans_tile_the_bytes(text):
    (spans,) = raw_spans(text)
    at = 0
    for span in spans:
        assert span["byte_start"] == at < span["byte_end"]
        at = span["byte_end"]
    assert at == len(text.encode())
    assert "".join(span.text for span in seen(text)) == text


@untimed
@given(texts)
def test_contents_begin_and_end_on_something(text):
    for span in seen(text):
        if span.kind in CONTENT_KINDS:
            assert span.text
            assert span.text == span.text.strip()


@untimed
@given(texts)
def test_labels_and_white_space_are_markers_apart(text):
    for span in seen(text):
        if span.kind == SegmentKind.MARKER:
            assert span.text.isspace() or span.text == span.text.strip()


@untimed
@given(texts)
def test_text_between_episodes_is_one_span(text):
    kinds = [span.kind for span in seen(text)]
    assert ("text", "text") not in set(itertools.pairwise(kinds))


@untimed
@given(texts)
def test_players_go_with_kinds_and_turns(text):
    for span in seen(text):
        if span.kind in PLAYER_OF_KIND:
            assert span.player == PLAYER_OF_KIND[span.kind]
        if span.kind in CONTENT_KINDS:
            assert span.player == 1 + span.turn % 2
        if span.kind == SegmentKind.TEXT:
            assert (span.game, span.episode, span.turn, span.cue) == ("text", None, None, None)
        else:
            assert span.game != "text"
            assert span.cue


@untimed
@given(texts)
def test_episodes_and_turns_count_from_zero(text):
    inside = [span for span in seen(text) if span.episode is not None]
    assert sorted({span.episode for span in inside}) == list(
        range(len({span.episode for span in inside}))
    )
    # An answer gathered elsewhere comes back to an episode that has begun.
    assert list(dict.fromkeys(span.episode for span in inside)) == sorted(
        {span.episode for span in inside}
    )
    for episode in {span.episode for span in inside}:
        turns = [
            span.turn for span in inside if span.episode == episode and span.kind in CONTENT_KINDS
        ]
        assert turns == sorted(turns)
        assert set(turns) == set(range(turns[-1] + 1))
        assert turns[-1] % 2 == 1


@untimed
@given(st.lists(st.one_of(st.none(), texts), max_size=6))
def test_spans_do_not_depend_on_the_batch(batch):
    assert raw_spans(*batch) == [spans for text in batch for spans in raw_spans(text)]


def test_adversarial_fragments_make_episodes_of_every_game():
    # Guards the properties above against passing on text alone.
    text = (
        "Q: a?\nA: b\n\n"
        "Exercise 1.\nWhat?\nSolution.\n1 + 1\nAnswer: 2\n\n"
        "## How do I?\nbody\n\n# Title\n\n>>> f(1)\n1\n"
    )
    assert {span.game for span in seen(text)} == {"label", "worked", "heading", "doctest", "text"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # An episode inside another's answer stays part of that answer.
        ("## Why?\n\nQ: a?\nA: b\n", [("Why?", "Q: a?\nA: b")]),
        ("Q: How?\nA: Like this:\n\n>>> 1 + 1\n2\n", [("How?", "Like this:\n\n>>> 1 + 1\n2")]),
    ],
)
def test_the_outer_episode_wins(text, expected):
    episodes = {}
    for span in seen(text):
        if span.kind in CONTENT_KINDS:
            episodes.setdefault(span.episode, []).append(span.text)
    assert [tuple(found) for found in episodes.values()] == expected


@pytest.mark.parametrize(
    ("text", "n_episodes"),
    [
        # A label without its partner is text; a run of questions keeps the last.
        ("Q: x?\n" * 20_000, 0),
        ("F:\n" * 10_000 + "A:\n" * 10_000, 0),
        ("Q: x?\n" * 10_000 + "A: y\n" * 10_000, 1),
        ("Q: x?\nA: y\n" * 5_000, 5_000),
        ("\n" * 200_000, 0),
        ("#### 1\n" * 20_000, 0),
        (">>> x\n" * 20_000, 0),
        (">>> x\n1\n" * 5_000, 1),
        ("Why?\n" * 20_000, 0),
        ("# a\n" * 20_000, 0),
        ("word " * 100_000, 0),
        ("?" * 200_000, 0),
        ("> " * 100_000, 0),
        ("\u00a0" * 100_000, 0),
        ("Q: x?" + "\u00a0" * 5_000 + "\nA: " + "\u3000" * 50_000 + "y", 1),
        # Runs that an expression could split in every way.
        ("Q" + " " * 50_000 + ": x?\nA" + "\t" * 50_000 + ": y\n", 1),
        ("# How" + " " * 50_000 + "so?\n\nSo.\n", 0),
        ("# So" + " #" * 50_000 + "?\n\nSo.\n", 0),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, str) else str(value),
)
def test_long_documents_of_one_kind(text, n_episodes):
    spans = seen(text)
    assert "".join(span.text for span in spans) == text
    assert len({span.episode for span in spans} - {None}) == n_episodes


def test_many_tiny_documents():
    batch = ["Q: x?\nA: y", "x", ""] * 10_000
    found = raw_spans(*batch)
    assert found[:3] == raw_spans(*batch[:3])
    assert found == found[:3] * 10_000
