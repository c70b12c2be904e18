"""JSON that is made against its parsers and readers: nested a million deep, forged, or none."""

import copy
import functools
import hashlib
import json
import shutil

import pytest

from pipeline.atomic import json_bytes
from pipeline.commit import read_record
from pipeline.output import read_config, read_manifest
from pipeline.plan import noted_inputs, read_plan
from pipeline.tokenizer import load_output_tokenizer
from schemas.errors import UserError
from tests.running import duologue, rejected_of, rows_of, tree

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
    ("out/_run/inputs.jsonl", "finish out", "out/_run/inputs.jsonl is damaged"),
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


VALUES = (None, True, 5, 0.5, "x", [], {}, ["x"], {"x": ["x"]}, 1 << 70)
"""What is put in the place of parts of well-formed JSON."""


def places(value, above=()):
    """Where the parts of a JSON value stand; of a list of like parts the first stands for all."""
    names = value
    if not isinstance(value, dict):
        parts = value if isinstance(value, list) else []
        names = range(len(parts) if len({type(part) for part in parts}) > 1 else len(parts[:1]))
    for name in names:
        yield (*above, name)
        yield from places(value[name], (*above, name))


def forged(value):
    """(where, copy) of a JSON value with a part of another type, or a number past 64 bits."""
    for at in places(value):
        for new in VALUES:
            root = copy.deepcopy(value)
            *above, last = at
            node = functools.reduce(lambda node, name: node[name], above, root)
            if type(new) is not type(node[last]) or new == 1 << 70:
                node[last] = new
                yield at, root


def test_a_manifest_is_refused_wherever_it_is_forged(here):
    path = here / "out/manifest.json"
    whole = json.loads(path.read_bytes())
    whole["shards"], whole["inputs"] = whole["shards"][:2], whole["inputs"][:2]
    n_forged = 0
    for at, fields in forged(whole):
        if at[0] == "config" and type(fields["config"]) is dict:
            continue  # It is looked at where it is used.
        path.write_bytes(json_bytes(fields))
        with pytest.raises(UserError, match=r"out/manifest\.json is not a manifest of duologue"):
            read_manifest(here / "out")
        n_forged += 1
    assert n_forged > 300


def sealed(fields):
    return json_bytes({**fields, "sha256": hashlib.sha256(json_bytes(fields)).hexdigest()})


def test_a_record_is_refused_wherever_it_is_forged_even_if_sealed(here):
    path = min((here / "out/_chunks").iterdir())
    whole = json.loads(path.read_bytes())
    del whole["sha256"]
    path.write_bytes(sealed(whole))
    read_record(path)
    n_forged = 0
    for _, fields in forged(whole):
        path.write_bytes(sealed(fields))
        with pytest.raises(UserError, match=f"{path.name} is damaged"):
            read_record(path)
        n_forged += 1
    assert n_forged > 200


# (the file that is forged, its line if it has several, who reads it, how many ways of forging it is
# refused for)
NOTES = [
    ("_run/inputs.jsonl", 0, lambda out: noted_inputs(out / "_run"), 30),
    ("_run/inputs.jsonl", -2, lambda out: noted_inputs(out / "_run"), 9),
    ("_run/inputs.jsonl", -1, lambda out: read_plan(out / "_run"), 18),
    ("_run/plan.jsonl", 0, lambda out: read_plan(out / "_run"), 60),
    ("_run/config.json", None, read_config, 80),
    ("tokenizer_config.json", None, load_output_tokenizer, 20),
]


@pytest.mark.parametrize(
    ("file", "at", "read", "least"), NOTES, ids=[f"{n[0]} {n[1]}" for n in NOTES]
)
def test_notes_are_read_or_refused_however_they_are_forged(here, file, at, read, least):
    (here / "out/manifest.json").unlink()
    path = here / "out" / file
    data = path.read_bytes()
    lines = [data] if at is None else data.splitlines(keepends=True)
    n_refused = 0
    for _, fields in forged(json.loads(lines[at or 0])):
        lines[at or 0] = json.dumps(fields).encode() + b"\n"
        path.write_bytes(b"".join(lines))
        try:
            read(here / "out")
        except UserError:
            n_refused += 1
    assert n_refused >= least


def forge(path, edit):
    if path.suffix == ".jsonl":
        first, *others = path.read_bytes().splitlines(keepends=True)
        fields = edit(json.loads(first))
        path.write_bytes(b"".join((json.dumps(fields).encode() + b"\n", *others)))
        return
    fields = json.loads(path.read_bytes())
    fields.pop("sha256", None)
    edit(fields)
    path.write_bytes(sealed(fields) if path.parent.name == "_chunks" else json_bytes(fields))


def only_paths(fields):
    fields["shards"] = [{"path": each["path"]} for each in fields["shards"]]


def other_split(fields):
    fields["shards"][0]["split"] = "../.."


def no_sums(fields):
    fields["counts"] = 5


def int_name(fields):
    return [fields[0], 5, *fields[2:]]


# (the file that is forged, how, the command, what it says)
FORGED = [
    ("manifest.json", only_paths, "inspect out", "out/manifest.json is not a manifest"),
    ("manifest.json", other_split, "pack out --out p", "out/manifest.json is not a manifest"),
    ("manifest.json", no_sums, "export out --out p", "out/manifest.json is not a manifest"),
    ("manifest.json", only_paths, "train out --out p", "out/manifest.json is not a manifest"),
    ("manifest.json", only_paths, "verify out", "manifest.json: shards: not what _chunks says"),
    ("manifest.json", no_sums, "verify out", "manifest.json: counts: not what _chunks says"),
    ("_chunks/*.json", no_sums, "finish out", "Expected `object`, got `int` - at `$.counts`"),
    ("_chunks/*.json", no_sums, "verify out", ".json: is damaged, or another chunk's"),
    ("_run/inputs.jsonl", int_name, "finish out", "Expected `str`, got `int` - at `$[1]`"),
    ("_run/inputs.jsonl", int_name, "verify out", "out/_run/inputs.jsonl is damaged"),
]


@pytest.mark.parametrize(("file", "edit", "line", "says"), FORGED)
def test_forged_json_is_named_and_nothing_is_written(here, run, file, edit, line, says):
    forge(min((here / "out").glob(file)), edit)
    before = tree(here)
    ran = run(*line.split())
    assert ran.code == 1
    assert says in ran.err
    assert ran.last_line.startswith("duologue: ")
    assert len(ran.err.splitlines()) == 1 + line.startswith("verify")
    assert tree(here) == before
