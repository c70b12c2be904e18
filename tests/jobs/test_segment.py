import io
import json
import os
import subprocess

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from jobs.segment import (
    explain_documents,
    spans_as_json_lines,
    undecodable_as_json_line,
    view_documents,
)
from schemas.episode import DOCUMENTS, PLAYER_OF_KIND, SPAN
from tests.running import command, duologue

TEXT = "Über alles.\nQ: Who?\nA: Nobody.\n\nQ: And then?\n"


def span(kind, start, end, *, episode=None, player=None):
    return {
        "kind": kind,
        "player": int(PLAYER_OF_KIND[kind]) if player is None else player,
        "game": "text" if episode is None else "label",
        "episode": episode,
        "turn": None,
        "byte_start": start,
        "byte_end": end,
        "cue": None if episode is None else "Q:",
    }


SPANS = [
    span("text", 0, 13),  # Ü has two bytes
    span("marker", 13, 16, episode=0, player=0),
    span("question", 16, 20, episode=0),
    span("marker", 20, 24, episode=0, player=2),
    span("answer", 24, 31, episode=0),
    span("text", 31, 47),
]


def table(*documents):
    """Documents of (source, text, spans); a text of None is a rejected document."""
    rows = [{"source": source, "text": text} for source, text, _ in documents]
    spans = pa.array([spans for _, _, spans in documents], pa.list_(SPAN))
    return pa.Table.from_pylist(rows, schema=DOCUMENTS).append_column("spans", spans)


def lines_of(documents):
    out = io.BytesIO()
    spans_as_json_lines(documents, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def printed(show, documents):
    console = Console(file=io.StringIO(), width=80, _environ={})
    show(documents, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_hand_made_spans_tile_their_text():
    pieces = [TEXT.encode()[s["byte_start"] : s["byte_end"]].decode() for s in SPANS]
    assert pieces == [
        "Über alles.\n",
        "Q: ",
        "Who?",
        "\nA: ",
        "Nobody.",
        "\n\nQ: And then?\n",
    ]


def test_a_line_a_span_in_order():
    found = lines_of(table(("dir/a.txt", TEXT, SPANS), ("b.jsonl#17", "x", [span("text", 0, 1)])))
    assert [(line["document"], line["start"], line["end"]) for line in found] == [
        *(("dir/a.txt", s["byte_start"], s["byte_end"]) for s in SPANS),
        ("b.jsonl#17", 0, 1),
    ]
    assert found[2] == {
        "document": "dir/a.txt",
        "start": 16,
        "end": 20,
        "kind": "question",
        "player": 1,
        "episode": 0,
        "cue": "Q:",
    }
    assert found[0] == found[-1] | {"document": "dir/a.txt", "end": 13}


def test_keys_are_in_the_documented_order():
    (line,) = lines_of(table(("a", "x", [span("text", 0, 1)])))
    assert list(line) == ["document", "start", "end", "kind", "player", "episode", "cue"]


# None: rejected; an empty list: an empty document.
@pytest.mark.parametrize("spans", [None, []])
def test_a_document_without_spans_gives_no_line(spans):
    documents = table(("a", None if spans is None else "", spans), ("b", "x", [span("text", 0, 1)]))
    assert [line["document"] for line in lines_of(documents)] == ["b"]
    assert lines_of(documents.slice(0, 1)) == []


@settings(deadline=None)  # machines are shared
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_name_and_cue_survive_json(name):
    spans = [span("question", 0, 1, episode=0) | {"cue": name}]
    (line,) = lines_of(table((name, "x", spans)))
    assert (line["document"], line["cue"]) == (name, name)


def test_a_file_that_is_not_utf8_is_one_span_of_text():
    out = io.BytesIO()
    undecodable_as_json_line("a.txt", 12, out)
    (usual,) = lines_of(table(("a.txt", "x" * 12, [span("text", 0, 12)])))
    assert json.loads(out.getvalue()) == usual
    assert out.getvalue().endswith(b"}\n")


def test_view_shows_each_document_by_player():
    documents = table(("a.txt", TEXT, SPANS), ("bad", None, None), ("b", "x", [span("text", 0, 1)]))
    shown = printed(view_documents, documents)
    assert shown == [
        "── a.txt ──",
        "[text] Über alles.",
        "‹episode 0: label, cue 'Q:'›",
        "[marker|label] Q:",
        "[Q|label] Who?",
        "[marker|label] A:",
        "[A|label] Nobody.",
        "[text] Q: And then?",
        "── b ──",
        "[text] x",
    ]


def test_explain_names_what_was_taken_and_says_why_the_rest_was_not():
    # A rejected document before it: line numbers count from each document's own start.
    documents = table(("bad", None, None), ("x", "-\n", [span("text", 0, 2)]), ("a", TEXT, SPANS))
    taken, not_taken = printed(explain_documents, documents)
    assert taken == "a:2: episode 0, label, cue 'Q:': Q: Who?"
    assert not_taken.startswith("a:5: no episode: label (no label of an answer goes with it)")
    assert not_taken.endswith(": Q: And then?")


def test_explain_gives_the_reason_of_each_family_that_looked_at_a_line():
    text = "How does it start?\n\nIt starts.\n\nLater on.\n\n$ ls\n"
    heading, shell = printed(explain_documents, table(("a", text, [span("text", 0, len(text))])))
    assert heading.startswith("a:1: no episode: heading (too few like it that ask)")
    assert shell.startswith("a:7: no episode: shell (no code stands there")


def test_explain_tells_what_an_outer_episode_holds():
    text = "Q: How?\nA: So:\n>>> f()\n1\n"
    spans = [
        span("marker", 0, 3, episode=0, player=0),
        span("question", 3, 7, episode=0),
        span("marker", 7, 11, episode=0, player=2),
        span("answer", 11, 25, episode=0),
        span("text", 25, 26),
    ]
    _, held = printed(explain_documents, table(("a", text, spans)))
    assert held.startswith("a:3: part of 0, no episode: doctest (inside another episode")


def test_explain_cuts_long_lines_and_shows_controls():
    text = "Q: \x1b[2J" + "long " * 50 + "\n"
    (line,) = printed(explain_documents, table(("a", text, [span("text", 0, len(text))])))
    assert "Q: ␛[2Jlong" in line
    assert len(line) < 200


def test_a_name_that_is_no_utf8_is_spelled(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text(TEXT)
    ran = duologue("segment", name, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert {json.loads(line)["document"] for line in ran.out.splitlines()} == {"caf\\xe9.txt"}
    assert r"── caf\xe9.txt ──" in duologue("segment", "--view", name, cwd=tmp_path).out


@pytest.mark.parametrize("options", [[], ["--view"], ["--explain"]])
def test_what_prepare_rejects_is_named_with_its_reason(tmp_path, options):
    (tmp_path / "bad.txt").write_bytes(b"Q: Who?\nA: \xff\n")
    (tmp_path / "good.txt").write_text(TEXT)
    ran = duologue("segment", *options, "bad.txt", "good.txt", cwd=tmp_path)
    assert ran.code == 3
    first, mend = ran.err.splitlines()
    assert first == "bad.txt: rejected, invalid UTF-8: at byte 11"
    assert mend.startswith("duologue prepare --encoding-errors replace")
    assert "good.txt" in ran.out
    # As JSON lines it is one span of text.
    assert ('"document":"bad.txt","start":0,"end":13,"kind":"text"' in ran.out) == (not options)


def test_a_folder_gives_its_files_and_standard_input_is_a_file(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/b.txt").write_text(TEXT)
    (tmp_path / "in/a.jsonl").write_text(json.dumps({"text": TEXT}) + "\n")
    (tmp_path / "in/c.png").touch()
    ran = duologue("segment", "in/", cwd=tmp_path)
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert list(dict.fromkeys(line["document"] for line in lines)) == ["in/a.jsonl#0", "in/b.txt"]
    assert ran.err == (
        "left out: 1 file that no reader takes (1 .png), c.png: "
        "--format text reads every input as text\n"
    )
    with (tmp_path / "in/b.txt").open() as piped:
        done = subprocess.run(
            command("segment", "-"), stdin=piped, capture_output=True, text=True, check=True
        )
    of_file = [line | {"document": "-"} for line in lines if line["document"] == "in/b.txt"]
    assert [json.loads(line) for line in done.stdout.splitlines()] == of_file


def test_view_says_its_legend_once(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(TEXT)
    ran = duologue("segment", "--view", "a.txt", "b.txt", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("player one asks: [Q] question")
    assert ran.out.count("player one asks") == 1


def test_a_rejected_record_is_told_and_has_no_span(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"text": 5}\n')
    ran = duologue("segment", "a.jsonl", cwd=tmp_path)
    assert ran.code == 3
    assert [json.loads(line)["document"] for line in ran.out.splitlines()] == ["a.jsonl#0"]
    assert ran.err == "a.jsonl#14: rejected, no text: column 'text' holds a int\n"


def test_segment_goes_on_after_a_file_without_the_column(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "x"}\n')
    (tmp_path / "b.txt").write_text("Q: Who?\nA: I.\n")
    ran = duologue("segment", "a.jsonl", "b.txt", cwd=tmp_path)
    assert ran.code == 3
    assert "a.jsonl has no column 'text'" in ran.err
    assert '"document":"b.txt"' in ran.out
    assert duologue("segment", "a.jsonl", cwd=tmp_path).code == 1
