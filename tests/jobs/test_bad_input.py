"""Input that is damaged, wrong or hostile: what the command says, rejects and keeps."""

import base64
import fcntl
import gzip
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from tokenizers import Tokenizer

from jobs.verify import verify
from tests.running import (
    COMMON,
    FORGED,
    Ran,
    command,
    duologue,
    jsonl,
    manifest_of,
    once,
    rejected_of,
    rows_of,
    text_of,
    tiny_tokenizer,
    tree,
)

MAX_DOCUMENT_BYTES = 20_000

GOOD = "Q: Is it good?\nA: It is.\n"
LINE = jsonl([GOOD])
NOISE = random.Random(0).randbytes(60_000).hex()
"""Does not shrink, so that a cut stream still gives whole records."""

RECORDS = jsonl([GOOD, NOISE[:15_000], NOISE[15_000:30_000], NOISE[30_000:45_000]])

RECORD_OFFSETS = [0, *accumulate(map(len, RECORDS.splitlines(keepends=True)))]

LONG_LINES = LINE + jsonl(["word " * 5_000]) + LINE

ZIPPED = b"\x1f\x8b\x08\n\xff\n"
"""Begins as gzip data does; in lines."""

LATIN_1 = "Q: Où?\nA: Là.\n".encode("latin-1")

BROKEN_LINES = {
    "#broken": b'{"text": "x"\n',
    "#list": b'["text"]\n',
    "#string": b'"text"\n',
    "#null": b'{"text": null}\n',
    "#number": b'{"text": 5}\n',
    "#other": b'{"body": "x"}\n',
    "#latin": b'{"text": "caf\xe9"}\n',
    "#surrogate": b'{"text": "\\ud800"}\n',
    "#deep": b"[" * 5_000 + b"\n",
}
"""Lines of lines.jsonl, each between good ones; named for the table below."""


def lines_file() -> bytes:
    return LINE + LINE.join(BROKEN_LINES.values()) + LINE


def source_of(name: str) -> str:
    """`lines.jsonl#name` with the offset for the name of a broken line."""
    file, _, line = name.partition("#")
    known = BROKEN_LINES.get(f"#{line}")
    return name if known is None else f"{file}#{lines_file().index(known)}"


def write_mess(folder: Path) -> None:
    folder.mkdir()
    files: dict[str | bytes, bytes] = {
        "good.txt": GOOD.encode(),
        "empty.txt": b"",
        "latin.txt": LATIN_1,
        "cut.txt.gz": gzip.compress(NOISE[:19_000].encode())[:-3000],
        "cut.txt.zst": zstd.compress(NOISE[:19_000].encode())[:-3000],
        "bomb.txt.gz": gzip.compress(bytes(20 << 20)),
        "no.txt.gz": GOOD.encode(),
        "cut.jsonl.gz": gzip.compress(RECORDS)[:-5000],
        # A frame is whole or lost.
        "cut.jsonl.zst": zstd.compress(LINE * 2) + zstd.compress(RECORDS)[:-5000],
        "lines.jsonl": lines_file(),
        # Named as another format.
        "little.txt": "Où?\n".encode("utf-16"),
        "big.md": b"\xfe\xff" + "Où?\n".encode("utf-16-be"),
        "gzip.txt": gzip.compress(GOOD.encode()),
        "zstd.txt": zstd.compress(GOOD.encode()),
        "gzip.jsonl": ZIPPED,
        "wide.txt": b"\xff\xfe\0\0" + "Où?\n".encode("utf-32-le"),
        "wide.md": b"\0\0\xfe\xff" + "Où?\n".encode("utf-32-be"),
        "long-zip.txt": gzip.compress(random.Random(1).randbytes(30_000)),
        "long-par.txt": b"PAR1 is a word. " * 2_000,
        "parquet.txt": b"PAR1\x15\x04\x15\xcf",
        "long.txt": b"word " * 5_000,
        "long.jsonl": LONG_LINES,
        "no.parquet": b"PAR1 but no more",
        "new\nline.txt": GOOD.encode(),
        b"caf\xe9.txt": GOOD.encode(),
        "nul.txt": b"\xef\xbb\xbfQ: A NUL?\nA: \0 \x1b[2J.\n",
        "forged.txt": FORGED.encode(),
    }
    for name, data in files.items():
        Path(os.fsdecode(folder), os.fsdecode(name)).write_bytes(data)
    table = pa.table({"text": pa.array([GOOD.encode(), None, LATIN_1], pa.binary())})
    pq.write_table(table, folder / "rows.parquet")
    whole = (folder / "rows.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])


REJECTED = [
    # (source, byte_offset, how the reason begins, how the bytes begin)
    ("latin.txt", 0, "invalid UTF-8: at byte 4", LATIN_1),
    ("little.txt", 0, "UTF-16 text: invalid UTF-8: at byte 0", b"\xff\xfe"),
    ("big.md", 0, "UTF-16 text: invalid UTF-8: at byte 0", b"\xfe\xff"),
    ("wide.txt", 0, "UTF-32 text: invalid UTF-8: at byte 0", b"\xff\xfe\0\0"),
    ("wide.md", 0, "UTF-32 text: invalid UTF-8: at byte 2", b"\0\0\xfe\xff"),
    ("gzip.txt", 0, "gzip data: invalid UTF-8: at byte 1", b"\x1f\x8b"),
    ("long-zip.txt", 0, "gzip data: too long: over max_document_bytes (20000)", b"\x1f\x8b"),
    # Its begin is that of Parquet data, but for the header that follows there.
    ("long-par.txt", 0, "too long: over max_document_bytes (20000)", b"PAR1 is"),
    ("zstd.txt", 0, "zstd data: invalid UTF-8: at byte 1", b"\x28\xb5"),
    ("gzip.jsonl#0", 0, "gzip data: invalid UTF-8: at byte 1", ZIPPED[:3]),
    ("gzip.jsonl#4", 4, "gzip data: invalid UTF-8: at byte 0", b"\xff"),
    ("parquet.txt", 0, "Parquet data: invalid UTF-8: at byte 7", b"PAR1"),
    ("cut.txt.gz", 0, "damaged input: truncated gzip", NOISE[:100].encode()),
    # Blocks of zstd are large: nothing of a short cut stream comes out.
    ("cut.txt.zst", 0, "damaged input: truncated zstd", b""),
    ("bomb.txt.gz", 0, "too long: over max_document_bytes (20000)", bytes(65_536)),
    ("no.txt.gz", 0, "damaged input: corrupt gzip", b""),
    # The record that the stream breaks off in, at its offset in the decompressed file.
    (f"cut.jsonl.gz#{RECORD_OFFSETS[3]}", None, "damaged input: truncated gzip", b'{"text'),
    (f"cut.jsonl.zst#{2 * len(LINE)}", 2 * len(LINE), "damaged input: truncated zstd", b""),
    ("lines.jsonl#broken", None, "invalid JSON: ", BROKEN_LINES["#broken"]),
    ("lines.jsonl#list", None, "no JSON object: a list", BROKEN_LINES["#list"]),
    ("lines.jsonl#string", None, "no JSON object: a str", BROKEN_LINES["#string"]),
    ("lines.jsonl#null", None, "no text: column 'text' holds a NoneType", b'{"text": null}'),
    ("lines.jsonl#number", None, "no text: column 'text' holds a int", b'{"text": 5}'),
    ("lines.jsonl#other", None, "no text: no column 'text'; there are 'body'", b'{"body"'),
    ("lines.jsonl#latin", None, "invalid UTF-8: at byte 13", b'{"text": "caf\xe9'),
    ("lines.jsonl#surrogate", None, "invalid JSON: ", b'{"text": "\\ud800"}'),
    ("lines.jsonl#deep", None, "invalid JSON: ", b"[[[["),
    ("long.txt", 0, "too long: over max_document_bytes (20000)", b"word word"),
    (f"long.jsonl#{len(LINE)}", len(LINE), "too long: over max_document_bytes", b'{"text": "wo'),
    ("no.parquet#0", None, "damaged input: ", b""),
    ("cut.parquet#0", None, "damaged input: ", b""),
    ("rows.parquet#1", None, "no text: column 'text' is null", b""),
    ("rows.parquet#2", None, "invalid UTF-8: at byte 4", LATIN_1),
]

KEPT = {
    "good.txt": GOOD,
    "forged.txt": FORGED,
    "nul.txt": "\ufeffQ: A NUL?\nA: \0 \x1b[2J.\n",
    "new\nline.txt": GOOD,
    # Bytes that are no UTF-8 are spelled, so that JSON and Arrow can hold the name.
    "caf\\xe9.txt": GOOD,
    "long.jsonl#0": GOOD,
    "rows.parquet#0": GOOD,
    "cut.jsonl.gz#0": GOOD,
    "cut.jsonl.zst#0": GOOD,
    f"cut.jsonl.zst#{len(LINE)}": GOOD,
    f"cut.jsonl.gz#{RECORD_OFFSETS[1]}": NOISE[:15_000],
    f"cut.jsonl.gz#{RECORD_OFFSETS[2]}": NOISE[15_000:30_000],
    f"long.jsonl#{len(LONG_LINES) - len(LINE)}": GOOD,
}
"""Text by source of what must have rows, whatever stands beside it."""

MESS = ("--max-document-bytes", MAX_DOCUMENT_BYTES, "--workers", 1)


@pytest.fixture(scope="session")
def mess(tmp_path_factory):
    """The inputs."""
    return once(tmp_path_factory.getbasetemp(), "mess", write_mess)


@pytest.fixture(scope="session")
def messy(tmp_path_factory, mess, tokenizer_file):
    """(what the run said, its output)."""

    def make(folder):
        folder.mkdir()
        argv = ["prepare", mess, "--out", folder / "out", "--tokenizer", tokenizer_file, *MESS]
        (folder / "ran.json").write_text(json.dumps(duologue(*argv)))

    folder = once(tmp_path_factory.getbasetemp(), "messy", make)
    return Ran(*json.loads((folder / "ran.json").read_bytes())), folder / "out"


def test_damage_among_good_input_ends_in_exit_3_and_is_told(messy):
    ran, out = messy
    assert ran.code == 3, ran.err
    assert "invalid UTF-8; see" in ran.out
    assert ran.out.count("--encoding-errors replace") == 1
    assert "rejected: 4 documents, gzip data; see" in ran.out
    for mend in (
        "-f UTF-16 -t UTF-8",
        "-f UTF-32 -t UTF-8",
        "ends in .gz,",
        "ends in .zst,",
        "ends in .parquet,",
    ):
        assert ran.out.count(mend) == 1
    assert f"damaged: cut.jsonl.gz#{RECORD_OFFSETS[3]}: truncated gzip stream" in ran.out
    assert "Traceback" not in ran.err
    assert list(verify(out)) == []


@pytest.mark.parametrize(("source", "offset", "reason", "begin"), REJECTED)
def test_what_cannot_be_used_is_rejected_with_reason_and_bytes(
    messy, source, offset, reason, begin
):
    each = rejected_of(messy[1])[source_of(source)]
    assert each["reason"].startswith(reason)
    assert base64.b64decode(each["bytes"]).startswith(begin)
    if offset is not None:
        assert each["byte_offset"] == offset
    elif "#" in source and ".jsonl" in source:
        assert each["byte_offset"] == int(each["source"].rpartition("#")[2])


def test_nothing_else_is_rejected(messy):
    assert rejected_of(messy[1]).keys() == {source_of(source) for source, *_ in REJECTED}


def test_what_is_whole_is_kept_byte_for_byte(messy):
    tokenizer = Tokenizer.from_file(str(messy[1] / "tokenizer.json"))
    text = {row["source"]: text_of(row, tokenizer) for row in rows_of(messy[1], "documents")}
    n_good_lines = len(BROKEN_LINES) + 1
    assert [text.get(source) for source in KEPT] == list(KEPT.values())
    assert sum(source.startswith("lines.jsonl#") for source in text) == n_good_lines
    assert len(text) == len(KEPT) + n_good_lines


def test_the_manifest_names_damaged_inputs_and_accounts_for_all(messy):
    manifest = manifest_of(messy[1])
    damaged = {each["source"].partition("#")[0] for each in manifest["damaged_inputs"]}
    assert damaged == {
        *("cut.txt.gz", "cut.txt.zst", "no.txt.gz", "cut.jsonl.gz", "cut.jsonl.zst"),
        *("no.parquet", "cut.parquet"),
    }
    assert sum(manifest["rejected"].values()) == len(REJECTED)
    assert manifest["drops"]["documents"] == {"empty": 1}
    rows = sum(1 for _ in rows_of(messy[1], "documents"))
    assert manifest["counts"]["documents"] == rows + len(REJECTED) + 1


def test_strict_turns_exit_3_into_1(messy, mess, tokenizer_file):
    before = tree(messy[1])
    argv = ["prepare", mess, "--out", messy[1], "--tokenizer", tokenizer_file, *MESS]
    for strict in (duologue(*argv, "--strict"), duologue("finish", messy[1], "--strict")):
        assert strict.code == 1
        assert "duologue: documents were rejected, as said above" in strict.last_line
        assert "--strict" in strict.last_line
    assert tree(messy[1]) == before


BUFFERING = pytest.mark.parametrize("unbuffered", ["", "1"])


def ended(argv, unbuffered="", **options):
    """(exit code, errors) of a process with a standard output of its own."""
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ran = subprocess.run(
        argv, stderr=subprocess.PIPE, text=True, check=False, env=env, timeout=500, **options
    )
    return ran.returncode, ran.stderr


@BUFFERING
def test_a_full_standard_output_is_said(messy, unbuffered):
    with Path("/dev/full").open("w") as full:
        found = ended(command("verify", messy[1]), unbuffered, stdout=full)
    assert found == (1, "duologue: cannot write to standard output: No space left on device\n")


@BUFFERING
def test_a_standard_output_that_can_grow_no_more_is_said(messy, tmp_path, unbuffered):
    """An empty write to such a file fails not, as one to a device would."""
    with (tmp_path / "said").open("w") as said:
        found = ended(
            command("verify", messy[1]),
            unbuffered,
            stdout=said,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )
    assert found == (1, "duologue: cannot write to standard output: File too large\n")


def test_a_full_standard_output_hides_no_other_error(messy, mess, tmp_path, tokenizer_file):
    shutil.copytree(mess, tmp_path / "in")
    (tmp_path / "in/new.txt").write_text(GOOD)
    out = shutil.copytree(messy[1], tmp_path / "out")
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tokenizer_file, *MESS]
    with Path("/dev/full").open("w") as full:
        code, err = ended(command(*argv, "--plan"), stdout=full)
    assert code == 1
    assert f"duologue: inputs changed since {out} was begun: new.txt" in err
    assert "standard output" not in err
    assert "Exception ignored" not in err


def test_a_full_standard_error_ends_no_job(here):
    argv = ["prepare", "good.txt", "--out", "out", "--tokenizer", "train:300", "--workers", "1"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            command(*argv), cwd=here, stdout=subprocess.PIPE, stderr=full, timeout=500, check=False
        )
    assert ran.returncode == 0
    assert (here / "out/manifest.json").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["good.txt", "--out", "s3x://bucket/out"], "Beam knows s3:// and gs://"),
        (["", "--out", "out"], "an input is empty: give a file"),
    ],
)
def test_what_a_shell_or_a_store_may_make_of_names_is_refused(here, argv, says):
    ran = duologue("prepare", *argv, "--tokenizer", "tokenizer.json", cwd=here)
    assert ran.code == 1
    assert says in ran.last_line
    assert not (here / "s3x:").exists()


FAILS = """
import jobs.commands
from jobs.cli import main
def app(*_, **__):
    print("begun")
    raise OSError(5, "Input/output error")
jobs.commands.app = app
main(["verify"])
"""


@BUFFERING
def test_an_error_of_the_system_leaves_standard_output_alone(tmp_path, unbuffered):
    with (tmp_path / "said").open("w") as said:
        found = ended([sys.executable, "-c", FAILS], unbuffered, stdout=said)
    assert found == (1, "duologue: [Errno 5] Input/output error\n")
    assert (tmp_path / "said").read_text() == "begun\n"


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("subcommand", ["verify", "inspect"])
def test_a_closed_standard_stream_is_one_that_nobody_reads(messy, subcommand, closed):
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *command(subcommand, messy[1])]
    assert ended(shell) == (0, "")


@pytest.mark.parametrize("argv", [("verify",), ("inspect",), ("finish",), ("pack", "--out", "p")])
def test_a_file_of_an_output_is_not_taken_for_it(messy, tmp_path, argv):
    ran = duologue(argv[0], messy[1] / "manifest.json", *argv[1:], cwd=tmp_path)
    assert ran.code == 1
    assert ran.err == (
        f"duologue: {messy[1]}/manifest.json is a file: give its folder, {messy[1]}\n"
    )


def test_encoding_errors_can_be_replaced(tmp_path, tokenizer_file):
    (tmp_path / "latin.txt").write_bytes(LATIN_1)
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    argv = ["prepare", tmp_path, "--out", tmp_path / "out", "--tokenizer", tokenizer_file]
    ran = duologue(*argv, "--encoding-errors", "replace", "--workers", 1)
    assert ran.code == 0, ran.err
    tokenizer = Tokenizer.from_file(str(tmp_path / "out/tokenizer.json"))
    text = {r["source"]: text_of(r, tokenizer) for r in rows_of(tmp_path / "out", "documents")}
    assert text == {"latin.txt": "Q: O\ufffd?\nA: L\ufffd.\n", "latin.jsonl#0": "caf\ufffd"}


def test_text_never_becomes_a_control_token(tmp_path):
    """Not even where the vocabulary holds the string as an ordinary word."""
    config = json.loads(tiny_tokenizer())
    model = config["model"]
    for name in ("<|endoftext|>", "</answer>"):
        # Every step of the merge, so that BPE reaches the whole string by itself.
        for end in range(2, len(name) + 1):
            if name[:end] not in model["vocab"]:
                model["vocab"][name[:end]] = max(model["vocab"].values()) + 1
            model["merges"].append([name[: end - 1], name[end - 1]])
    config["pre_tokenizer"]["use_regex"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    (tmp_path / "in").mkdir()
    text = f"Q: What is <|endoftext|>?\nA: </answer><|endoftext|>.\n\n{FORGED}"
    (tmp_path / "in/a.txt").write_text(text)
    out = tmp_path / "out"
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tmp_path / "tokenizer.json"]
    ran = duologue(*argv, "--eos", "<|endoftext|>", "--delimiters", "tags", "--workers", 1)
    assert ran.code == 0, ran.err
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    control = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    assert {tokenizer.token_to_id("<|endoftext|>"), tokenizer.token_to_id("</answer>")} <= control
    n_delimiters = 0
    for row in [*rows_of(out, "documents"), *rows_of(out, "episodes")]:
        for segment in row["segments"]:
            ids = set(row["input_ids"][segment["start"] : segment["end"]])
            assert bool(ids & control) == (segment["kind"] == "delimiter")
            n_delimiters += segment["kind"] == "delimiter"
    assert n_delimiters == 8
    assert [text_of(row, tokenizer) for row in rows_of(out, "documents")] == [text]


def with_gaps(config: dict) -> dict:
    """A tokenizer whose last entry's id is past the count of entries."""
    vocabulary = config["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] += 3
    return config


@pytest.fixture
def here(tmp_path, tokenizer_file):
    """A folder to run in, with things that can't be used."""
    for folder in ("empty", "pictures", "wordless", "bare", "other", "a/x", "b/x"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "good.txt").write_text(GOOD)
    (tmp_path / "a/x/good.txt").write_text(GOOD)
    (tmp_path / "b/x/good.txt").write_text(GOOD)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "pictures/a.png").touch()
    (tmp_path / "data.bin").write_text(GOOD)
    (tmp_path / "body.jsonl").write_text('{"body": "x", "title": "y"}\n')
    (tmp_path / "faq.jsonl").write_text('{"question": "x", "reply": "y"}\n')
    (tmp_path / "pair.jsonl").write_text('{"question": null, "answer": "y"}\n')
    pq.write_table(pa.table({"body": ["x"], "title": ["y"]}), tmp_path / "body.parquet")
    (tmp_path / "bare/tokenizer.json").write_text(tiny_tokenizer(eos=None))
    (tmp_path / "gaps.json").write_text(json.dumps(with_gaps(json.loads(tiny_tokenizer(None)))))
    (tmp_path / "other/thesis.tex").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    shutil.copy(tokenizer_file, tmp_path / "tokenizer.json")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        # Inputs that are not there, or give nothing.
        ("missing.txt", 1, ["no such input: missing.txt", "glob in quotes"]),
        ("missing/*.txt", 1, ["no such input: missing/*.txt"]),
        (
            "s3x://bucket/a",
            1,
            ["s3x://bucket/a: Unable to get filesystem of this kind: Beam knows s3://"],
        ),
        ("s3:/bucket/a", 1, ["s3:/bucket/a is neither a path nor a URL: write s3://bucket/a"]),
        ("empty.txt", 1, ["no usable file: empty.txt is empty"]),
        ("empty", 1, ["no usable file: found no files", ".jsonl"]),
        ("pictures", 1, ["a.png", "--format"]),
        ("good.txt --text-column \udcff", 1, ["--text-column", "expected text in UTF-8"]),
        ("good.txt --tokenizer train:300 --eos \udcff", 1, ["--eos", "expected text in UTF-8"]),
        # A suffix that no reader knows, named alone.
        ("data.bin", 1, ["no reader for data.bin", ".bin", "--format text or lines or jsonl"]),
        # Two inputs of one name would give two documents one source.
        ("a/x b/x", 1, ["two inputs are called 'x' (a/x and b/x)", "rename one"]),
        # Columns, before any work starts.
        ("body.jsonl", 1, ["body.jsonl has no column 'text'", "body, title", "--text-column"]),
        ("body.parquet", 1, ["no column 'text'", "body, title", "--text-column"]),
        ("faq.jsonl", 1, ["faq.jsonl has no column 'text'", "question, reply", "--text-column"]),
        ("pair.jsonl --id-column text", 1, ["no column 'text'; there are: question, answer."]),
        ("body.jsonl --text-column body --id-column no", 1, ["no column 'no'", "--id-column"]),
        # Tokenizers.
        ("good.txt --tokenizer bare", 1, ["no end-of-turn token", "<|im_end|>", "--eos TOKEN"]),
        ("good.txt --tokenizer gone.json", 1, ["no tokenizer at gone.json", "train:N"]),
        ("good.txt --tokenizer org/model", 1, ["names on a hub are not looked up"]),
        ("good.txt --tokenizer other", 1, ["no tokenizer at other/tokenizer.json"]),
        ("good.txt --tokenizer body.jsonl", 1, ["body.jsonl is no tokenizer.json"]),
        ("good.txt --tokenizer data.bin", 1, ["data.bin is no tokenizer.json"]),
        (
            "good.txt --tokenizer gaps.json --eos <eos>",
            1,
            ["gaps.json cannot be used: the ids of the vocabulary have gaps", "would both be"],
        ),
        ("good.txt --tokenizer train:abc", 2, ["--tokenizer", "'train:abc' is not train:N"]),
        ("good.txt --tokenizer train:9", 1, ["train:9", "at least 256"]),
        # Outputs.
        ("good.txt --out other", 1, ["other is not empty", "output of duologue prepare: choose"]),
        ("good.txt --out file", 1, ["file is a file", "choose a folder for --out"]),
        ("good.txt --out file/out", 1, ["cannot write to file/out", "/file is a file: choose an"]),
        ("good.txt --out link", 1, ["link is a link that leads nowhere: choose a folder"]),
        ("good.txt --out link/out", 1, ["/link is a link that leads nowhere: choose another"]),
        ("good.txt --out /proc/out", 1, ["cannot write to /proc/out"]),
        # Not understood.
        ("good.txt --format csv", 2, ["--format", "'csv' is not one of text, lines, jsonl"]),
        ("good.txt --delimiters xml", 2, ["--delimiters", "'xml'", "chatml"]),
        ("good.txt --configs rows", 2, ["--configs", "'rows' is not one of documents, episodes"]),
        ("good.txt --encoding-errors skip", 2, ["--encoding-errors", "'skip'"]),
        ("good.txt --slice 3/2", 2, ["--slice", "'3/2' is not I/N", "such as 1/4"]),
        ("good.txt --chunk-bytes 1", 2, ["--chunk-bytes"]),
        ("good.txt --holdout 0.7", 2, ["--holdout"]),
        ("good.txt --max-tokens 1", 2, ["--max-tokens"]),
        ("good.txt --no-such-option", 2, ["--no-such-option"]),
        ("", 2, ["Missing argument"]),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(here, run, monkeypatch, options, code, says):
    monkeypatch.chdir(here)
    given = options.split()
    defaults = {"--out": "out", "--tokenizer": "tokenizer.json"}
    for option, value in defaults.items():
        given += [] if option in given else [option, value]
    before = {path for path in here.rglob("*") if not path.is_relative_to(here / "out")}
    ran = run("prepare", *given)
    assert (ran.code, ran.out) == (code, "")
    for words in says:
        assert words in ran.said
    if code == 1:
        assert ran.last_line.startswith("duologue: ")
        assert "Traceback" not in ran.err
    assert {path for path in here.rglob("*") if not path.is_relative_to(here / "out")} == before
    assert not (here / "out/manifest.json").exists()


def test_the_cause_of_a_job_that_fails_is_said(here):
    argv = ["prepare", "good.txt", "--out", "out", "--tokenizer", "tokenizer.json"]
    ran = duologue(*argv, "--", "--runner=NoSuchRunner", cwd=here)
    assert ran.code == 1
    assert "Unexpected pipeline runner: NoSuchRunner" in ran.last_line
    assert "out/_run/driver.log" in ran.last_line


def test_commands_are_echoed_as_the_shell_takes_them(here):
    argv = ["prepare", "good.txt", "--out", "my out", "--tokenizer", "tokenizer.json"]
    ran = duologue(*argv, "--slice", "1/1", cwd=here)
    assert ran.code == 0, ran.err
    assert "duologue finish 'my out'" in ran.out


@pytest.mark.parametrize("argv", [("sample-corpus", "/proc/x"), ("export", "full", "--out", "x")])
def test_no_error_is_a_bare_number(here, argv):
    (here / "full").mkdir()
    ran = duologue(*argv, cwd=here)
    assert ran.code == 1
    assert "[Errno" not in ran.err
    assert ran.last_line.startswith("duologue: ")


@pytest.mark.parametrize("column", ["messages", "chat"])
def test_chats_are_read_as_their_turns(here, column):
    messages = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Me."},
    ]
    lines = [{column: messages}, {column: [1]}, {column: []}]
    (here / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    argv = ["prepare", "chat.jsonl", "--out", "out", "--tokenizer", "tokenizer.json"]
    ran = duologue(*argv, *(["--text-column", column] if column == "chat" else []), cwd=here)
    assert ran.code == 3
    tokenizer = Tokenizer.from_file(str(here / "out/tokenizer.json"))
    [row] = rows_of(here / "out", "documents")
    assert text_of(row, tokenizer) == "User: Who?\n\nAssistant: Me.\n"
    reasons = {each["reason"] for each in rejected_of(here / "out").values()}
    assert reasons == {
        f"no text: column '{column}' holds a list that is no chat of role and content"
    }


def test_questions_with_their_answers_are_read_as_turns(here):
    lines = [
        {"question": 'What is "it"?', "answer": "One\nline."},
        {"prompt": "Who?", "completion": "Me."},
        {"instruction": "Add.", "input": "1 and 2", "output": "3"},
        {"instruction": "Sing.", "output": "La."},
        {"input": "2", "output": "4"},
        # All turns before two of them.
        {"prompt": "A?", "completion": "B.", "messages": [{"role": "user", "content": "Whole?"}]},
        # A text of its own is what is read.
        {"text": "Mine.", "question": "Who?", "answer": "Me."},
        {"question": "Who?", "answer": None},
    ]
    (here / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    argv = ["prepare", "pairs.jsonl", "--out", "out", "--tokenizer", "tokenizer.json"]
    ran = duologue(*argv, cwd=here)
    assert ran.code == 3, ran.err
    tokenizer = Tokenizer.from_file(str(here / "out/tokenizer.json"))
    assert sorted(text_of(row, tokenizer) for row in rows_of(here / "out", "documents")) == [
        "Mine.",
        "User: 2\n\nAssistant: 4\n",
        "User: Add.\n\n1 and 2\n\nAssistant: 3\n",
        "User: Sing.\n\nAssistant: La.\n",
        'User: What is "it"?\n\nAssistant: One\nline.\n',
        "User: Who?\n\nAssistant: Me.\n",
        "User: Whole?\n",
    ]
    assert "episodes: 5 rows" in ran.out
    assert "rejected: 1 document, no text" in ran.out


def test_an_output_of_another_config_is_refused_by_option(corpus, prepared, tokenizer_file):
    before = tree(prepared)
    argv = ["prepare", corpus, "--out", prepared, "--tokenizer", tokenizer_file, *COMMON]
    ran = duologue(*argv, "--delimiters", "tags")
    assert ran.code == 1
    assert "(--delimiters is eos there, tags now)" in ran.err
    assert "choose another --out" in ran.err
    trained = duologue(*argv[:4], "--tokenizer", "train:300", *COMMON)
    assert trained.code == 1
    assert "(--tokenizer is a file there, train:300 now)" in trained.last_line
    assert tree(prepared) == before


def test_an_output_that_a_job_writes_to_is_refused(here):
    (here / "out/_run").mkdir(parents=True)
    with (here / "out/_run/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = duologue("prepare", "good.txt", "--out", "out", "--tokenizer", "bare", cwd=here)
    assert ran.code == 1
    assert "another job is writing to out" in ran.last_line


WITHOUT_ROOTS_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


PREPARE_IN = ("prepare", "in", "--out", "out", "--tokenizer", "tokenizer.json")


def without_rights(folder: Path, *argv: object) -> subprocess.CompletedProcess[str]:
    """A command that may not read what has no permission, whoever runs it."""
    line = command(*argv)
    if os.geteuid() == 0:
        line = [*WITHOUT_ROOTS_RIGHTS, *line]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def test_an_output_that_may_not_be_written_to_is_named(here):
    (here / "in").mkdir()
    (here / "in/good.txt").write_text(GOOD)
    assert duologue(*PREPARE_IN, cwd=here).code == 0
    for path in here.glob("out/_run/*"):
        path.chmod(0o400)
    for argv in (PREPARE_IN, ("finish", "out")):
        ran = without_rights(here, *argv)
        assert ran.returncode == 1
        assert ran.stderr == (
            "duologue: cannot write to out: Permission denied; give it write permission, or name "
            "another folder\n"
        )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("other", "other has no manifest.json: it is no output of duologue prepare; give the"),
        ("gone", "gone does not exist: give the --out folder of a duologue prepare"),
        ("file", "file is a file: give the --out folder of a duologue prepare"),
    ],
)
def test_what_is_no_output_cannot_be_finished(here, given, says):
    ran = duologue("finish", given, cwd=here)
    assert ran.code == 1
    assert ran.last_line.startswith(f"duologue: {says}")


def test_a_folder_that_may_not_be_read_is_named(here):
    (here / "in/folder").mkdir(parents=True)
    for name in ("in/good.txt", "in/folder/good.txt"):
        (here / name).write_text(GOOD)
    mode = (here / "in/folder").stat().st_mode
    (here / "in/folder").chmod(0)
    refused = without_rights(here, *PREPARE_IN)
    assert refused.returncode == 1
    assert "in/folder: Permission denied; mend or remove it" in refused.stderr
    (here / "in/folder").chmod(mode)
    assert duologue(*PREPARE_IN, cwd=here).code == 0


def test_files_that_cannot_be_read_are_rejected_until_they_are_mended(here):
    (here / "in").mkdir()
    for name in ("good.txt", "shut.txt"):
        (here / "in" / name).write_text(GOOD)
    (here / "in/gone.jsonl").symlink_to(here / "nowhere")
    (here / "in/shut.txt").chmod(0)
    ran = without_rights(here, *PREPARE_IN)
    assert ran.returncode == 3, ran.stderr
    reasons = {source: each["reason"] for source, each in rejected_of(here / "out").items()}
    assert reasons == {
        "gone.jsonl": "damaged input: a link that leads nowhere",
        "shut.txt": "damaged input: Permission denied",
    }
    assert [row["source"] for row in rows_of(here / "out", "documents")] == ["good.txt"]
    assert list(verify(here / "out")) == []
    (here / "nowhere").write_bytes(LINE)
    (here / "in/shut.txt").chmod(0o644)
    refused = duologue(*PREPARE_IN, cwd=here)
    assert refused.code == 1
    assert "run with --update" in refused.last_line
    mended = duologue(*PREPARE_IN, "--update", cwd=here)
    assert mended.code == 0, mended.err
    assert manifest_of(here / "out")["counts"]["documents"] == 3


def test_other_outputs_among_the_inputs_are_left_out(here):
    (here / "in").mkdir()
    (here / "in/good.txt").write_text(GOOD)
    assert duologue(*PREPARE_IN[:3], "in/one", *PREPARE_IN[4:], cwd=here).code == 0
    ran = duologue(*PREPARE_IN[:3], "in/two", *PREPARE_IN[4:], cwd=here)
    assert ran.code == 0, ran.err
    assert f"left out: {here / 'in/one'}, which duologue wrote" in ran.said
    assert [each["path"] for each in manifest_of(here / "in/two")["inputs"]] == ["good.txt"]


def test_the_modules_of_the_folder_one_stands_in_are_not_ours(here):
    for name in ("schemas/__init__.py", "pipeline/__init__.py", "random.py", "tokenizers.py"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("raise SystemExit('imported from the wrong folder')\n")
    argv = ["prepare", "good.txt", "--out", "out", "--tokenizer", "tokenizer.json"]
    script = Path(sys.executable).parent / "duologue"
    done = subprocess.run(
        [script, *argv, "--workers", "2"], cwd=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_trained_tokenizer_that_is_damaged_is_named_and_trained_again(here):
    argv = ["prepare", "good.txt", "--out", "out", "--tokenizer", "train:300"]
    assert duologue(*argv, cwd=here).code == 0
    made = tree(here / "out")
    (here / "out/tokenizer.json").write_text("{")
    again = duologue(*argv, cwd=here)
    assert again.code == 0, again.err
    assert "out/tokenizer.json was damaged or gone, written again" in again.err
    assert tree(here / "out") == made
    lose_tokenizer(here / "out")
    refused = duologue(*argv, cwd=here)
    assert refused.code == 1
    assert "out/tokenizer.json is not the one that the shards were made with" in refused.last_line
    repaired = duologue(*argv, "--repair", cwd=here)
    assert repaired.code == 0, repaired.err
    assert tree(here / "out") == made


def test_a_trained_tokenizer_lost_after_an_update_is_asked_for(here):
    argv = ["prepare", "a", "--out", "out", "--tokenizer", "train:300"]
    assert duologue(*argv, cwd=here).code == 0
    (here / "a/x/more.txt").write_text(GOOD.swapcase() * 2)
    assert duologue(*argv, "--update", cwd=here).code == 0
    made = tree(here / "out")
    shutil.copy(here / "out/tokenizer.json", here / "kept.json")
    lose_tokenizer(here / "out")
    refused = duologue(*argv, "--repair", cwd=here)
    assert refused.code == 1
    assert "put a copy of it at out/tokenizer.json, or choose another --out" in refused.last_line
    shutil.copy(here / "kept.json", here / "out/tokenizer.json")
    assert duologue(*argv, cwd=here).code == 0
    assert tree(here / "out") == made


def lose_tokenizer(out):
    """And its copy."""
    (out / "tokenizer.json").write_text("{")
    (out / "_run/tokenizer.json").unlink()


def test_a_copy_without_its_notes_is_updated(here):
    argv = ["prepare", "a", "--tokenizer", "tokenizer.json", "--out"]
    assert duologue(*argv, "out", cwd=here).code == 0
    shutil.copytree(here / "out", here / "copy")
    shutil.rmtree(here / "copy/_run")
    (here / "a/x/more.txt").write_text(GOOD * 2)
    refused = duologue(*argv, "copy", cwd=here)
    assert refused.code == 1
    assert "x/more.txt (cut in other chunks now); run with --update" in refused.said
    updated = duologue(*argv, "copy", "--update", cwd=here)
    assert updated.code == 0, updated.err
    assert duologue(*argv, "fresh", cwd=here).code == 0
    assert tree(here / "copy") == tree(here / "fresh")


def test_an_output_below_its_input_is_not_read(tmp_path, tokenizer_file):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text(GOOD)
    (tmp_path / "notes/b.dat").write_text(GOOD)
    argv = ["prepare", ".", "--out", "./out", "--tokenizer", tokenizer_file, "--workers", 1]
    first = duologue(*argv, cwd=tmp_path)
    assert first.code == 0, first.err
    assert "left out: 1 file that no reader takes (1 .dat), notes/b.dat: --format" in first.err
    assert "left out" not in first.out
    made = tree(tmp_path / "out")
    # By any name: OUT holds a README.md now, which a reader would take.
    again = [*argv[:3], f"../{tmp_path.name}/out", *argv[4:]]
    for same in (argv, again):
        ran = duologue(*same, cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert tree(tmp_path / "out") == made
    assert [each["path"] for each in manifest_of(tmp_path / "out")["inputs"]] == ["notes/a.txt"]
