"""Names of files, ids and sources that are made to do harm: they name, and do nothing else."""

import json
import os
from pathlib import Path

import datasets
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from jobs.verify import verify
from tests.jobs.test_view import is_safe
from tests.running import duologue, manifest_of, once, rejected_of, rows_of

GOOD = "Q: Is it good?\nA: It is.\n"

NAMES = [
    *("a\nduologue: forged.txt", "a\rb.txt", "a\tb.txt", "a..b.txt", "a...txt", "#1#.txt"),
    *("x" * 251 + ".txt", "-rf.txt", "--out.txt", "CON.txt", "[x].txt", "*.txt", "?.txt", " .txt"),
    *("~.txt", "$HOME.txt", "`id`.txt", "%s%n.txt", "{}.txt", "a\"b'c.txt", "a: b.txt"),
    *("---\nconfigs: x.txt", "<script>.txt", "[bold]x.txt", "\x1b[31m.txt", "\x9b31m.txt"),
    *("\x85.txt", "\u202egnp.txt", "\u2028.txt", "\ufeff.txt", "é.txt", "e\u0301.txt"),
]
NO_UTF8 = {b"caf\xe9.txt": "caf\\xe9.txt", b"\xed\xa0\x80.txt": "\\xed\\xa0\\x80.txt"}
DAMAGED = "bad\x1b[31m\u202e\nduologue: forged.txt.gz"
UNREAD = (b"x\x1b[31m.png", b"x.png\xff", b"x.a\nduologue: forged")


def write_names(folder: Path) -> None:
    (folder / "in").mkdir(parents=True)
    for name in NAMES:
        (folder / "in" / name).write_text(GOOD)
    for name in (*NO_UTF8, *UNREAD):
        (folder / "in" / os.fsdecode(name)).write_text(GOOD)
    (folder / "in" / DAMAGED).write_text(GOOD)


@pytest.fixture(scope="module")
def named(tmp_path_factory, tokenizer_file):
    """(the run, the folder of its input `in` and its output `out`)."""
    folder = once(tmp_path_factory.getbasetemp(), "names", write_names)
    out = tmp_path_factory.mktemp("named")
    argv = ["prepare", folder / "in", "--out", out / "out", "--tokenizer", tokenizer_file]
    return duologue(*argv, "--workers", 1, "--holdout", 0.2), folder / "in", out


def test_every_file_is_a_document_under_its_own_name(named):
    ran, _, folder = named
    assert ran.code == 3, ran.err
    sources = [row["source"] for row in rows_of(folder / "out", "documents")]
    assert sorted(sources) == sorted([*NAMES, *NO_UTF8.values()])
    assert rejected_of(folder / "out").keys() == {DAMAGED}
    assert list(verify(folder / "out")) == []


def test_nothing_is_written_outside_the_output(named):
    _, _, folder = named
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert {path.name for path in (folder / "out").iterdir()} == {
        *("README.md", "manifest.json", "tokenizer.json", "tokenizer_config.json"),
        *("_chunks", "_run", "documents", "episodes", "rejected"),
    }


def test_json_and_yaml_stay_whole(named):
    _, _, folder = named
    out = folder / "out"
    # orjson takes no surrogates, which Python's own parser lets pass.
    for path in [*out.glob("*.json"), *(out / "_chunks").iterdir()]:
        orjson.loads(path.read_bytes())
    for path in (out / "rejected").iterdir():
        [line] = path.read_bytes().splitlines()
        assert orjson.loads(line)["source"] == DAMAGED
    front = (out / "README.md").read_text().split("---\n")[1]
    assert [each["config_name"] for each in yaml.safe_load(front)["configs"]] == [
        "documents",
        "episodes",
    ]
    assert len(manifest_of(out)["inputs"]) == len(NAMES) + len(NO_UTF8) + 1


def test_the_output_opens_as_a_dataset(named, tmp_path):
    _, _, folder = named
    loaded = datasets.load_dataset(str(folder / "out"), "documents", cache_dir=str(tmp_path))
    sources = {source for split in loaded.values() for source in split["source"]}
    assert sources == {*NAMES, *NO_UTF8.values()}


@pytest.mark.parametrize(
    "argv",
    [
        ("segment", "in"),
        ("segment", "--view", "in"),
        ("segment", "--explain", "in"),
        ("prepare", "in", "--out", "new", "--tokenizer", "tokenizer.json", "--plan"),
        ("inspect", "out", "-n", 50),
        ("verify", "out"),
    ],
)
def test_no_name_reaches_the_terminal_as_more_than_a_name(named, tokenizer_file, tmp_path, argv):
    ran, inputs, folder = named
    targets = {"in": inputs, "out": folder / "out", "tokenizer.json": tokenizer_file}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    shown = duologue(*argv, cwd=tmp_path)
    assert shown.code in (0, 3), shown.err
    for each in (ran, shown):
        assert is_safe(each.out + each.err)
        assert not any(line.startswith("duologue: forged") for line in each.err.splitlines())
        assert not any(line.startswith("duologue: forged") for line in each.out.splitlines())
    assert "Traceback" not in shown.err


def test_json_lines_on_a_terminal_say_the_same_names(named):
    _, inputs, _ = named
    lines = duologue("segment", inputs / "\x9b31m.txt", inputs / "\u202egnp.txt").out.splitlines()
    documents = {orjson.loads(line)["document"] for line in lines}
    assert documents == {str(inputs / "\x9b31m.txt"), str(inputs / "\u202egnp.txt")}


def test_two_files_that_would_have_one_name_are_refused(tmp_path, tokenizer_file):
    (tmp_path / "in").mkdir()
    for name in (b"caf\xe9.txt", rb"caf\xe9.txt"):
        (tmp_path / "in" / os.fsdecode(name)).write_text(GOOD)
    argv = ["prepare", "in", "--out", "out", "--tokenizer", tokenizer_file]
    ran = duologue(*argv, cwd=tmp_path)
    assert ran.code == 1
    assert "their documents would get the same sources; rename one" in ran.last_line
    assert not (tmp_path / "out").exists()


VALUES = [
    *("a\nb", "../../etc/x", "/etc/passwd", "a\0b", "x" * 10_000, "\x1b[2J", "\u202e", "", "."),
    *("..", "<script>", "---\nconfigs: []\n", '"', "\\", "\U0001f600", "[red]x", "~", "\x9b"),
    *("same", "same", 5, 10**19),
]


@pytest.mark.parametrize("is_parquet", [False, True])
def test_ids_and_sources_are_text_and_nothing_more(tmp_path, tokenizer_file, is_parquet):
    (tmp_path / "in").mkdir()
    values = [str(value) for value in VALUES] if is_parquet else VALUES
    if is_parquet:
        columns = {"text": [GOOD] * len(values), "key": values, "page": values}
        pq.write_table(pa.table(columns), tmp_path / "in/a.parquet")
    else:
        rows = [{"text": GOOD, "key": value, "page": value} for value in values]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "in/a.jsonl").write_text(lines)
    out = tmp_path / "out"
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tokenizer_file]
    options = ("--id-column", "key", "--source-column", "page", "--workers", 1)
    ran = duologue(*argv, *options, "--holdout", 0.2)
    assert ran.code == 0, ran.err
    sources = [row["source"] for row in rows_of(out, "documents")]
    assert sorted(sources) == sorted(map(str, values))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert list(verify(out)) == []
    shown = duologue("inspect", out, "-n", 50)
    assert shown.code == 0
    assert is_safe(shown.out)


def test_sources_that_are_no_utf8_are_rejected(tmp_path, tokenizer_file):
    page = pa.array([b"good", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": [GOOD, GOOD], "page": page}), tmp_path / "a.parquet")
    argv = ["prepare", tmp_path / "a.parquet", "--out", tmp_path / "out"]
    ran = duologue(*argv, "--tokenizer", tokenizer_file, "--source-column", "page", "--workers", 1)
    assert ran.code == 3, ran.err
    [each] = rejected_of(tmp_path / "out").values()
    assert each["reason"] == "no id: column 'page' has no string or integer"


def test_a_message_names_some_columns_of_very_many(tmp_path, tokenizer_file):
    record = {f"column{number}": 1 for number in range(100_000)}
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n")
    argv = ["prepare", tmp_path / "a.jsonl", "--out", tmp_path / "out"]
    ran = duologue(*argv, "--tokenizer", tokenizer_file)
    assert ran.code == 1
    assert "has no column 'text'; there are: column0, column1" in ran.last_line
    assert len(ran.last_line) < 1_000
