"""The scorer, on gold small enough to score by hand, and beside the reference scorer."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.segmentation.gold import GoldDocument, GoldSet, Span, span_row, write_set
from benchmarks.segmentation.measures import Mask, Tally, tiled, tiling_fault, units_of
from benchmarks.segmentation.sets.worked import add_worked

REFERENCE = Path(__file__).parents[3] / "shared" / "gold" / "score.py"


def labelled() -> GoldDocument:
    document = GoldDocument("labelled")
    document.add("Some words before.\n\n")
    for number in range(1, 4):
        answer = f"Because of reason {number}, and\nof another one."
        document.pair(f"Why is {number}?", answer, before="Q: ", between="\nA: ", after="\n\n")
    return document


def reasoned() -> GoldDocument:
    document = GoldDocument("reasoned")
    for number in (3, 4):
        marks = ("Question: ", "\nAnswer: ", "\n#### ")
        steps = f"{number} and {number}\nmake {2 * number}"
        add_worked(document, f"Twice {number}?", steps, str(2 * number), marks=marks, stop=".")
    return document


def numbered() -> GoldDocument:
    """Soft markers before questions, neutral text between the pairs."""
    document = GoldDocument("numbered")
    for number in (1, 2):
        episode = document.open_episode()
        document.add(f"{number}. ", "marker", episode, soft=True)
        document.add("How so?\n", "question", episode)
        document.add("So and so.\n\n", "answer", episode)
        document.add("Does this ask?\nPerhaps.\n\n", neutral=True)
    return document


def tally_of(document: GoldDocument, predicted: list[Span]) -> Tally:
    tally = Tally()
    tally.add(document.name, document.text.encode(), list(document.spans()), predicted)
    return tally


def changed(document: GoldDocument, change) -> list[Span]:
    return [change(span) for span in document.spans()]


def as_text(span: Span) -> Span:
    return replace(span, kind="text", player=0, episode=None)


@pytest.mark.parametrize("make", [labelled, reasoned, numbered])
def test_gold_is_a_perfect_prediction(make):
    document = make()
    tally = tally_of(document, list(document.spans()))
    for name in ("question_exact", "question_line", "response_exact", "link"):
        assert tally.rate(name).f1 == 1
    assert (tally.lossless, tally.player, tally.counts["false"]) == (1, 1, 0)
    assert tally.boundary == (1 if make is reasoned else None)


def test_all_text_is_lossless_and_finds_nothing():
    document = labelled()
    tally = tally_of(document, changed(document, as_text))
    assert tally.lossless == 1
    assert tally.rate("link").f1 == tally.rate("question_line").f1 == 0
    assert len(tally.missed) == 3
    # Player nature's content is right: 16 letters of "Some words before." and nothing else.
    assert tally.players[0, 0] == len("Somewordsbefore.")


def test_answers_of_other_questions_are_right_spans_and_wrong_links():
    document = labelled()
    swapped = changed(
        document,
        lambda s: replace(s, episode=(s.episode + 1) % 3) if s.kind == "answer" else s,
    )
    tally = tally_of(document, swapped)
    assert tally.rate("response_exact").f1 == 1
    assert tally.rate("link").hits == 0
    assert tally.player == 1


def test_an_episode_of_many_turns_pairs_off():
    document = labelled()
    one = changed(document, lambda s: replace(s, episode=0) if s.episode is not None else s)
    assert tally_of(document, one).rate("link").f1 == 1


def test_a_label_inside_the_question_costs_exactness_alone():
    document = labelled()
    labels = {"Q: "}
    data = document.text.encode()
    wide = changed(
        document,
        lambda s: (
            replace(s, kind="question", player=1) if data[s.start : s.end].decode() in labels else s
        ),
    )
    tally = tally_of(document, wide)
    assert tally.rate("question_exact").hits == 0
    assert tally.rate("question_line").f1 == tally.rate("link").f1 == 1


def test_a_soft_marker_inside_the_question_costs_nothing():
    document = numbered()
    wide = changed(document, lambda s: replace(s, kind="question", player=1) if s.soft else s)
    assert tally_of(document, wide).rate("question_exact").f1 == 1


def test_without_reasoning_links_hold_and_boundaries_fail():
    document = reasoned()
    plain = changed(document, lambda s: replace(s, kind="answer") if s.kind == "reasoning" else s)
    tally = tally_of(document, plain)
    assert tally.rate("link").f1 == 1
    assert tally.boundary == 0
    assert tally.rate("answer_exact").hits == 0


def test_a_pair_in_neutral_text_is_neither_right_nor_false():
    document = numbered()
    spans = list(document.spans())
    cut = next(i for i, span in enumerate(spans) if span.neutral)
    place = spans[cut].start + len("Does this ask?\n")
    question = replace(spans[cut], end=place, kind="question", player=1, episode=9)
    answer = replace(spans[cut], start=place, kind="answer", player=2, episode=9)
    tally = tally_of(document, [*spans[:cut], question, answer, *spans[cut + 1 :]])
    assert (tally.counts["false"], tally.rate("link").f1, tally.player) == (0, 1, 1)


def test_a_pair_beside_gold_is_false():
    document = labelled()
    first, *others = document.spans()
    question = replace(first, end=5, kind="question", player=1, episode=9, cue="x")
    answer = replace(first, start=5, kind="answer", player=2, episode=9, cue="x")
    tally = tally_of(document, [question, answer, *others])
    assert tally.counts["false"] == 1
    assert tally.false_by_cue == {"x": 1}
    assert tally.false_per_mb == pytest.approx(1e6 / len(document.text.encode()))
    assert tally.rate("link").hits == 3


def test_four_fifths_of_an_answer_link_and_less_does_not():
    document = GoldDocument("a")
    document.pair("Why?", "0123456789")
    spans = list(document.spans())
    for n_bytes, hits in ((8, 1), (7, 0)):
        answer = replace(spans[-1], end=spans[-1].start + n_bytes)
        rest = replace(spans[-1], start=answer.end, kind="text", player=0, episode=None)
        assert tally_of(document, [*spans[:-1], answer, rest]).rate("link").hits == hits


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda spans: spans[:-1], "bytes are covered"),
        (lambda spans: spans[1:], "comes a span"),
        (lambda spans: [*spans[:-1], replace(spans[-1], player=1)], "player 1"),
        (lambda spans: [replace(spans[0], kind="other"), *spans[1:]], "'other'"),
        (lambda spans: [replace(spans[0], episode=1), *spans[1:]], "episode 1"),
    ],
)
def test_what_does_not_tile_is_named(change, fault):
    document = labelled()
    found = tiling_fault(change(list(document.spans())), document.text.encode())
    assert found is not None
    assert fault in found


def test_a_cut_character_is_a_fault():
    spans = [
        Span(start=0, end=1, kind="text", player=0),
        Span(start=1, end=2, kind="text", player=0),
    ]
    assert "inside a character" in (tiling_fault(spans, "é".encode()) or "")


ranges = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda r: (min(r), max(r)))


@given(text=st.text("ab \n", min_size=30, max_size=30), some=st.lists(ranges, max_size=4))
def test_a_mask_counts_and_trims_as_slicing_does(text, some):
    import numpy as np

    mask = Mask(np.array([not c.isspace() for c in text]))
    assert mask.size(some) == sum(len("".join(text[a:b].split())) for a, b in some)
    hull = mask.hull(some)
    if some:
        start, end = min(a for a, _ in some), max(b for _, b in some)
        assert (text[slice(*hull)] if hull else "") == text[start:end].strip()


@given(starts=st.lists(st.integers(0, 60), max_size=12), n_bytes=st.integers(0, 50))
def test_repaired_spans_ascend_and_stay_inside(starts, n_bytes):
    spans = tiled([Span(start=s, end=s + 9, kind="text", player=0) for s in starts], n_bytes)
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= n_bytes
        at = span.end


def test_units_begin_with_a_question_after_an_answer():
    kinds = ["question", "reasoning", "answer", "question", "question", "answer"]
    spans = [
        Span(start=i, end=i + 1, kind=kind, player=1 + (kind != "question"), episode=0)
        for i, kind in enumerate(kinds)
    ]
    first, second = units_of(spans)
    assert (first.question, first.response) == ([(0, 1)], [(1, 2), (2, 3)])
    assert (second.question, second.response) == ([(3, 4), (4, 5)], [(5, 6)])


def shifted(span: Span) -> Span:
    """Answers give their last byte away."""
    return replace(span, end=span.end - 1) if span.kind == "answer" else span


CHANGES = {
    "gold": lambda span: span,
    "all text": as_text,
    "answers cut": shifted,
    "one episode": lambda s: replace(s, episode=0) if s.episode is not None else s,
    "no reasoning": lambda s: replace(s, kind="answer") if s.kind == "reasoning" else s,
    "no markers": lambda s: as_text(s) if s.kind == "marker" else s,
    "questions alone": lambda s: as_text(s) if s.player == 2 else s,
    "neutral asks": lambda s: replace(s, kind="question", player=1, episode=8) if s.neutral else s,
}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference scorer is not beside the project")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_figures_agree_with_the_reference_scorer(tmp_path, change):
    documents = (labelled(), reasoned(), numbered())
    gold = GoldSet(name="made", source="made", kind="qca", note="", documents=documents)
    write_set(gold, tmp_path)
    tally, rows = Tally(), []
    for document in documents:
        predicted = changed(document, change)
        tally.add(document.name, document.text.encode(), list(document.spans()), predicted)
        rows += [span_row(f"made/docs/{document.name}.txt", span) for span in predicted]
    (tmp_path / "spans.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "figures.json"
    command = [sys.executable, REFERENCE, tmp_path, "--pred", tmp_path / "spans.jsonl"]
    subprocess.run([*map(str, command), "--json", str(out)], check=True, capture_output=True)
    (theirs,) = json.loads(out.read_text())
    assert tally.rate("question_exact").f1 == theirs["q_exact"]["f1"]
    assert tally.rate("question_line").f1 == theirs["q_line"]["f1"]
    assert tally.rate("response_line").f1 == theirs["a_line"]["f1"]
    assert tally.rate("link").f1 == theirs["link"]["f1"]
    assert tally.rate("answer_exact").f1 == theirs["final_exact"]["f1"]
    assert tally.boundary == theirs["boundary"]
    assert tally.player == theirs["player_accuracy"]
    assert tally.lossless == theirs["lossless"]
    assert tally.counts["false"] == theirs["false_episodes"]
