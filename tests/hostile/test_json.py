"""JSON that is made against its parsers: nested a million deep, and what is no JSON at all."""

import shutil

import pytest

from jobs.cli import main
from tests.running import Ran, duologue, rejected_of, rows_of, tree

DEPTH = 1_000_000
DEEP = {"lists": b"[" * DEPTH + b"]" * DEPTH, "objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH}

each_deep = pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)

GOOD = b'{"text": "Q: Why?\\nA: So.\\n"}\n'

RECORDS = {
    "a record": DEEP["lists"],
    "an object": DEEP["objects"],
    "beside the text": b'{"text": "x", "more": %b}' % DEEP["lists"],
    "in the text": b'{"text": %b}' % DEEP["lists"],
    "a long number": b'{"text": "x", "n": %b}' % (b"9" * DEPTH),
    "a large number": b'{"text": "x", "n": 1e999}',
    "NaN": b'{"text": "x", "n": NaN}',
    "infinity": b'{"text": "x", "n": -Infinity}',
    "half a character": b'{"text": "x \\ud800"}',
}


def test_records_that_no_parser_takes_are_rejected_one_by_one(tmp_path, tokenizer_file):
    lines = b"".join(GOOD + line + b"\n" for line in RECORDS.values())
    twice = b'{"text": "one", "text": "two"}\n'
    (tmp_path / "a.jsonl").write_bytes(lines + twice)
    argv = ["prepare", tmp_path / "a.jsonl", "--out", tmp_path / "out", "--workers", 1]
    ran = duologue(*argv, "--tokenizer", tokenizer_file)
    assert ran.code == 3, ran.err
    reasons = [each["reason"] for each in rejected_of(tmp_path / "out").values()]
    assert len(reasons) == len(RECORDS)
    assert all(reason.startswith("invalid JSON: at byte ") for reason in reasons)
    # Of a key that is there twice the last value counts.
    assert sum(1 for _ in rows_of(tmp_path / "out", "documents")) == len(RECORDS) + 1


@pytest.fixture
def run(capsys):
    """A command in this process; each start of its own would take seconds."""

    def ended(*argv):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, argv)])
        return Ran(ended.value.code or 0, *capsys.readouterr())

    return ended


@pytest.fixture
def here(tmp_path, prepared, tokenizer_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared, "out")
    shutil.copy(tokenizer_file, "tokenizer.json")
    return tmp_path


# (the file that is damaged, the command, what it says of it)
READ = [
    ("out/manifest.json", "inspect out", "out/manifest.json can't be read"),
    ("out/manifest.json", "verify out", "out/manifest.json can't be read"),
    ("out/manifest.json", "pack out --out p", "out/manifest.json can't be read"),
    ("out/manifest.json", "export out --out p", "out/manifest.json can't be read"),
    ("out/manifest.json", "train out --out p --model 1m", "out/manifest.json can't be read"),
    ("out/tokenizer.json", "inspect out", "out/tokenizer.json can't be read"),
    ("out/tokenizer.json", "pack out --out p", "out/tokenizer.json is not the one"),
    ("out/_run/inputs.json", "finish out", "out/_run/inputs.json is damaged"),
    ("m.json", "train out --out p --model m.json", "m.json is no JSON file of a LlamaConfig"),
    ("p/train.json", "train out --out p --model 1m", "p/train.json is damaged"),
    ("results.jsonl", "report results.jsonl", "results.jsonl is damaged"),
    ("t/tokenizer_config.json", "prepare out --out p --format text --tokenizer t", "t/tokenizer"),
]


@pytest.mark.parametrize(("file", "line", "says"), READ, ids=[f"{r[1]}, {r[0]}" for r in READ])
@each_deep
def test_a_file_nested_too_deep_is_damaged_and_said_in_one_line(here, run, deep, file, line, says):
    (here / file).parent.mkdir(exist_ok=True)
    if file.startswith("t/"):
        shutil.copy("tokenizer.json", "t/tokenizer.json")
    (here / file).write_bytes(deep)
    before = tree(here)
    ran = run(*line.split())
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert ran.err.startswith("duologue: ")
    assert says in ran.err
    after = tree(here)
    # `prepare` looks at a tokenizer when the output is its own.
    assert after.keys() - before.keys() <= {"p/_run/lock", "p/_run/settling"}
    assert after | before == after
