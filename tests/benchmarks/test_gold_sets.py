"""Gold from small made-up markup: what is written slices back, and naive figures on it."""

import json
from email.message import EmailMessage

import pytest

from benchmarks.segmentation.__main__ import MARKS, put_between_marks, score_set
from benchmarks.segmentation.browser import as_text, read_page
from benchmarks.segmentation.gold import GoldDocument, GoldSet, read_spans, write_set
from benchmarks.segmentation.naive import segment_naively
from benchmarks.segmentation.packages import MissingPackageError, Packages
from benchmarks.segmentation.pod import title_text
from benchmarks.segmentation.rst import read_headings
from benchmarks.segmentation.sections import add_section, read_sections
from benchmarks.segmentation.sets import worked
from benchmarks.segmentation.sets.debian_faq import add_asking
from benchmarks.segmentation.sets.exemplars import _FINAL
from benchmarks.segmentation.sets.mail import _reply
from benchmarks.segmentation.table import markdown, mean_row, row_of


def contents(document: GoldDocument) -> list[tuple[str, str]]:
    data = document.text.encode()
    document.check(data)
    return [
        (span.kind, data[span.start : span.end].decode().strip())
        for span in document.spans()
        if span.player
    ]


def neutral(document: GoldDocument) -> str:
    data = document.text.encode()
    return "".join(data[s.start : s.end].decode() for s in document.spans() if s.neutral)


def test_a_set_is_written_tiles_its_documents_and_is_read_back(tmp_path):
    document = GoldDocument("a")
    document.pair("Wer? ß", "Öl.", before="F: ", between="\nA: ", after="\n")
    gold = GoldSet(name="s", source="s", kind="pairs", note="", documents=(document,))
    meta = write_set(gold, tmp_path)
    assert (meta["documents"], meta["pairs"], meta["compared"]) == (1, 1, 2)
    assert meta["bytes"] == (tmp_path / "s" / "docs" / "a.txt").stat().st_size
    lines = (tmp_path / "s" / "gold.jsonl").read_text().splitlines()
    assert read_spans(lines) == {"s/docs/a.txt": list(document.spans())}


def test_an_answer_that_the_markup_did_not_have_is_refused(tmp_path):
    document = GoldDocument("a")
    episode = document.open_episode("Why?", "Because.")
    document.add("Why?\n", "question", episode)
    document.add("Because not.\n", "answer", episode)
    gold = GoldSet(name="s", source="s", kind="pairs", note="", documents=(document,))
    with pytest.raises(ValueError, match=r"a: the markup's answer 'Because.' became"):
        write_set(gold, tmp_path)


def test_a_question_without_an_answer_is_refused():
    document = GoldDocument("a")
    document.add("Why?\n", "question", document.open_episode())
    with pytest.raises(ValueError, match="episode 0 has no answer"):
        document.check(document.text.encode())


def test_a_page_is_rendered_block_by_block():
    blocks = read_page(
        "<html><head><title>no</title></head><body><div class='nav'>no</div>"
        "<h2>What  is\nit?</h2><p>A <b>tool</b>.<p>Two<br>lines."
        "<ul><li>one <li>two<ol><li>deep</ol></ul><dl><dt>key<dd>value</dl>"
        "<pre>x = 1\n  y</pre></body></html>",
        skip=r"div\.nav",
    )
    assert as_text(blocks) == (
        "\nWhat is it?\n\nA tool.\n\nTwo\nlines.\n\n* one\n* two\n  1. deep\n"
        "key\n\n    value\n\n    x = 1\n      y\n"
    )
    assert [block.heading for block in blocks][:2] == [2, 0]


def test_numbers_of_headings_are_soft_and_sections_are_pairs():
    html = "<h1>FAQ</h1><h2>1.2. Why?</h2><p>So.</p><h2>1.3. How?</h2><p>Thus.</p>"
    document = GoldDocument("a")
    for section, is_leaf in read_sections(read_page(html)):
        if is_leaf and section.body:
            add_section(document, section)
        else:
            document.add(section.text)
    expected = [("question", "Why?"), ("answer", "So."), ("question", "How?"), ("answer", "Thus.")]
    assert contents(document) == expected
    data = document.text.encode()
    soft = [data[s.start : s.end].decode() for s in document.spans() if s.soft]
    assert soft == ["1.2. ", "1.3. "]


def test_what_does_not_ask_is_neutral_and_subsections_answer():
    document = GoldDocument("a")
    add_asking(
        document,
        "<h1>Chapter</h1><h2>Feedback</h2><p>Write.</p>"
        "<h2>Was ist das?</h2><p>Dies.</p><h3>Mehr</h3><p>Noch.</p>",
    )
    assert contents(document) == [
        ("question", "Was ist das?"),
        ("answer", "Dies.\n\nMehr\n\nNoch."),
    ]
    assert neutral(document) == "Feedback\n\nWrite.\n\n"


def test_titles_lose_their_pod_codes():
    assert title_text("Why C<< a->b >> and B<I<x>>E<gt>y? X<index>") == "Why a->b and x>y? "


def test_rst_headings_have_levels_by_first_use():
    lines = "===\nFAQ\n===\n\nHow\n---\n\nWhy?\n~~~~\n\na\nb\n---\n".splitlines()
    assert [(h.title, h.level) for h in read_headings(lines)] == [
        ("FAQ", 0),
        ("How", 1),
        ("Why?", 2),
    ]


def test_worked_sums_are_right(tmp_path):
    (gold,) = worked.build(Packages(tmp_path, offline=True))
    assert sum(document.n_episodes for document in gold.documents) == 180
    for document in gold.documents:
        said = contents(document)
        for (_, reasoning), (_, final) in zip(said[1::3], said[2::3], strict=True):
            assert final in reasoning


def test_final_answers_are_the_last_ones():
    found = _FINAL.fullmatch("First, the answer is no. But wait. So the answer is (B).")
    assert found is not None
    assert (found["reasoning"], found["final"], found["stop"]) == (
        "First, the answer is no. But wait.",
        "(B)",
        ".",
    )


def test_quoted_lines_of_the_parent_ask():
    message = EmailMessage()
    message["From"] = "Bo <bo@example.org>"
    message.set_content(
        "Ann wrote:\n> Is it on?\n> I wonder.\n\nYes, it is.\n\n> And now?\nNo.\n"
        "\n> not hers\nWhat?\n-- \nBo\n"
    )
    document = _reply("a", message, "Hello.\nIs it on?\nI wonder.\nAnd now?\n")
    assert contents(document) == [
        ("question", "Is it on?"),
        ("question", "I wonder."),
        ("answer", "Yes, it is."),
        ("question", "And now?"),
        ("answer", "No."),
    ]
    assert neutral(document) == "> not hers\nWhat?\n"


def test_the_naive_segmenter_takes_labels_else_lines_that_ask():
    def kinds(text):
        data = text.encode()
        spans = segment_naively(text)
        assert b"".join(data[s.start : s.end] for s in spans) == data
        return [(s.kind, data[s.start : s.end].decode()) for s in spans if s.player]

    assert kinds("Question 1: Warum?\nAnswer: Öl.\n") == [
        ("question", "Warum?\n"),
        ("answer", "Öl.\n"),
    ]
    assert kinds("Intro.\n\nIs it so?\nYes.\n") == [
        ("question", "Is it so?"),
        ("answer", "\nYes.\n"),
    ]
    assert kinds("Nothing here.\n") == []


def test_sources_weigh_alike_and_false_episodes_are_pooled(tmp_path):
    rows = []
    for name, source, n_pairs in (("a-1", "a", 1), ("a-2", "a", 1), ("b", "b", 2)):
        document = GoldDocument("d")
        for number in range(n_pairs):
            document.pair(f"Is {number}?", "So.", before="X) ", after="\n")
        meta = write_set(
            GoldSet(name=name, source=source, kind="pairs", note="", documents=(document,)),
            tmp_path,
        )
        # The second source is segmented as gold has it, the first not at all.
        found = [list(document.spans())] if source == "b" else [[]]
        rows.append(row_of(meta, score_set(tmp_path / name, lambda _, found=found: found)))
    mean = mean_row("MEAN", rows)
    assert mean.values[:2] == (3, 4)
    assert mean.values[7] == 0.5
    assert json.loads((tmp_path / "b" / "meta.json").read_text())["pairs"] == 2


def test_a_package_that_cannot_be_had_is_named(tmp_path):
    with pytest.raises(MissingPackageError, match="debian no-such: not in the cache"):
        Packages(tmp_path, offline=True).debian("no-such")


def test_the_table_stands_between_the_marks_of_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{MARKS[0]}\nold\n{MARKS[1]}\nBehind.\n")
    put_between_marks(page, "| new |")
    put_between_marks(page, "| new |")
    assert page.read_text() == f"Before.\n{MARKS[0]}\n| new |\n{MARKS[1]}\nBehind.\n"
    page.write_text("No marks.\n")
    with pytest.raises(SystemExit, match="lacks the lines"):
        put_between_marks(page, "| new |")


def test_a_page_s_table_has_our_figures_and_the_naive_ones(tmp_path):
    document = GoldDocument("d")
    document.pair("Is it?", "So.", before="X) ")
    gold = GoldSet(name="s", source="s", kind="pairs", note="", documents=(document,))
    meta = write_set(gold, tmp_path)
    ours = row_of(meta, score_set(tmp_path / "s", lambda _: [list(document.spans())]))
    naive = row_of(meta, score_set(tmp_path / "s", lambda _: [[]]))
    row, mean = markdown([ours], [naive]).splitlines()[2:]
    assert row == "| s | 1 | 1 | 0.00 | 1.000 | - | - | 1.000 | 0.00 | 0.000 | 0.00 |"
    assert mean == row.replace("| s |", "| **mean pairs** |")
