"""What every cue family owes; a newcomer is tested by being in FAMILIES."""

import pyarrow as pa
import pytest
from hypothesis import example, given, settings

from schemas.episode import PLAYER_OF_KIND, SegmentKind
from tests.transforms.segmenting import raw_spans
from tests.transforms.test_segment import texts
from transforms.candidates import Candidates
from transforms.cues import FAMILIES, CueFamily
from transforms.lines import split_lines

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def find(family: CueFamily, *documents: str):
    lines = split_lines(pa.chunked_array([pa.array(documents, pa.large_string())]))
    return family.find(Candidates(lines))


def test_names_are_unique_and_none_is_text():
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert "text" not in names


@each_family
@settings(deadline=None)
@given(text=texts)
@example(text="# ?\nA?::")  # The term takes the heading for its own first line.
def test_contents_are_ordered_inside_their_episode(family, text):
    for episode in find(family, text):
        at = episode.start
        for content in episode.contents:
            assert at <= content.start <= content.end
            at = content.end
        assert at <= episode.end <= len(text.encode())
        assert episode.cue


@each_family
@settings(deadline=None)
@given(text=texts)
def test_turns_alternate_and_end_with_player_two(family, text):
    for episode in find(family, text):
        turns = [content.turn for content in episode.contents]
        assert turns == sorted(turns)
        assert set(turns) == set(range(turns[-1] + 1))
        assert turns[-1] % 2 == 1
        for content in episode.contents:
            assert PLAYER_OF_KIND[content.kind] == 1 + content.turn % 2
            assert content.kind is not SegmentKind.TEXT


@each_family
@settings(deadline=None)
@given(before=texts, text=texts, after=texts)
def test_finding_is_deterministic_and_local_to_the_document(family, before, text, after):
    alone = list(find(family, text))
    assert list(find(family, text)) == alone
    shift = len(before.encode())
    end = shift + len(text.encode())
    beside = [e for e in find(family, before, text, after) if shift <= e.start < end]
    moved = [(e.start - shift, e.end - shift, e.cue, len(e.contents)) for e in beside]
    assert moved == [(e.start, e.end, e.cue, len(e.contents)) for e in alone]


ENCODED = "On Monday, Ann wrote:\n> Why?\n\nSo.\n\nOn Monday, Ben wrote:\n>" + "QmFzZTY0" * 6 + "\n"
FENCED = "```\nUser: hi there\nAssistant: hello you\n```\nfoo bar\nbaz\n\nfin\n"
QUESTIONS = "What is it?\n\nIt is this.\n\nWhy is it?\n\nIt is that.\n"
TITLED = "1. Why is it so?\n\nfoo is this.\n\n2. Why not?\n\nIt goes on.\n\nThe Title\n"
REPLY = "Subject: Re: foo\n\n> Why is it so?\n\nBecause it is so.\n"
GATHERED = "1. one\n2. two\n3. three\n\nAnswers\n\n1. a\n2. b\n3. c\n"
NAMELESS = "EXAMPLES\n       List all files:\n\n           ls -a\n\nNAME\n"
MANUAL = "NAME\n       ls - list\n\nEXAMPLES\n       List all files:\n\n           ls -a\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (">>> f(1) ", "... g\nWhy not? "),
        (".TP\n", ".B Why is it?\nSo.\n"),
        (MANUAL, "           ls -l\nfoo\n"),
        (MANUAL, "              deep text\nfoo\n"),
        ("Q. Why?\nA. So it is.\n", "B. This\nis other.\n"),
        ("x", FENCED),
        ("Hello.\n\nWhy is it?\n", QUESTIONS),
        ("Some text.\n\n# foo.bar\n", QUESTIONS),
        (TITLED, QUESTIONS),
        (ENCODED, "> Who?\n"),
        (".SH A\n\n.TP\n", ".B Why is it?\nBecause it is so.\n"),
        ("Exercises\n\n1. x\n", GATHERED),
        ("From: ann@example.org\n", REPLY),
        (NAMELESS, "ls - lists files\n"),
    ],
)
def test_documents_that_would_go_on_in_the_next_do_not(before, after):
    assert raw_spans(before, after) == [*raw_spans(before), *raw_spans(after)]


@pytest.mark.parametrize(
    "text",
    [
        "Why is it?\n" + "#" * 60 + "x\n<think>so</think>\nb\n",
        "Why is it?\n" + "*" * 60 + "x\n<think>so</think>\nb\n",
        '{"question": "Why?", "answer": "So.' + " " * 18_000 + 'b"}\n',
        "User: hi\nAssistant: yo\nEND " + " " * 100_000 + "x\nUser: a\nAssistant: b\n",
    ],
    ids=["hashes", "asterisks", "spaces in a field", "spaces after an end"],
)
def test_runs_of_one_character_are_read_once(text):
    # Expressions that went back and forth here would not end in the time of a test run.
    (spans,) = raw_spans(text)
    assert spans[-1]["byte_end"] == len(text)
