"""Small files that unpack to much: rejected with a reason, in bounded memory."""

import gzip
import json
import sys
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from pipeline.engine import WORTH_BYTES
from tests.hostile.measuring import measured, measured_line
from tests.running import duologue, once, rejected_of, rows_of

MIB = 1 << 20
UNPACKED_MIB = 128
ROOM_MIB = 64
"""Above what harmless input takes; far from what any bomb unpacks to."""

GOOD = "Q: Is it good?\nA: It is.\n"
LINE = json.dumps({"text": GOOD}).encode() + b"\n"
OPTIONS = ("--max-document-bytes", MIB, "--workers", 1)

FRAME = b"\x28\xb5\x2f\xfd"
RAW_BLOCK = (1 | 5 << 3).to_bytes(3, "little") + b"hello"


def deflated(n_mib: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(b"a" * MIB) for _ in range(n_mib)) + packer.flush()


def frames(n_mib: int) -> bytes:
    packer = zstd.ZstdCompressor(level=3)
    return b"".join(packer.compress(b"a" * MIB) for _ in range(n_mib)) + packer.flush()


def write_bombs(folder: Path) -> None:
    folder.mkdir()
    flat = {"gz": deflated(UNPACKED_MIB), "zst": frames(UNPACKED_MIB)}
    files = {
        "good.txt": GOOD.encode(),
        "nested.txt.gz": gzip.compress(flat["gz"]),
        "members.txt.gz": gzip.compress(b"a" * MIB) * UNPACKED_MIB,
        "tiny.txt.gz": gzip.compress(b"") * 50_000 + gzip.compress(GOOD.encode()),
        "tiny.txt.zst": zstd.compress(b"") * 50_000 + zstd.compress(GOOD.encode()),
        # A window of 2 GiB, content of 2^60 bytes, a dictionary that nobody has.
        "window.txt.zst": FRAME + bytes([0, 21 << 3]) + RAW_BLOCK,
        "claims.txt.zst": FRAME + b"\xe0" + (1 << 60).to_bytes(8, "little") + RAW_BLOCK,
        "dictionary.txt.zst": FRAME + bytes([0x21, 7, 5]) + RAW_BLOCK,
    }
    for suffix, packed in flat.items():
        files[f"flat.txt.{suffix}"] = packed
        pack = gzip.compress if suffix == "gz" else zstd.compress
        files[f"flat.jsonl.{suffix}"] = pack(LINE) + packed + pack(b"\n" + LINE)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    huge = pa.array([b"a" * (UNPACKED_MIB * MIB)], pa.large_binary())
    pq.write_table(pa.table({"text": huge}), folder / "huge.parquet", compression="zstd")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6 * MIB


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    return once(tmp_path_factory.getbasetemp(), "bombs", write_bombs)


@pytest.fixture(scope="module")
def harmless_mib(tmp_path_factory, tokenizer_file):
    """What a run takes whose input holds nothing of note."""
    folder = tmp_path_factory.mktemp("harmless")
    (folder / "good.txt").write_text(GOOD)
    argv = ["prepare", folder / "good.txt", "--out", folder / "out", *OPTIONS]
    ran, peak_mib = measured(*argv, "--tokenizer", tokenizer_file)
    assert ran.code == 0, ran.err
    return peak_mib


REASONS = {
    "flat.txt.gz": "too long: over max_document_bytes",
    "flat.txt.zst": "too long: over max_document_bytes",
    "members.txt.gz": "too long: over max_document_bytes",
    # What is packed twice is no text.
    "nested.txt.gz": "gzip data: invalid UTF-8",
    "window.txt.zst": "damaged input: corrupt zstd stream: Unable to decompress",
    "claims.txt.zst": "damaged input: corrupt zstd stream: Unable to decompress",
    "dictionary.txt.zst": "damaged input: corrupt zstd stream: Unable to decompress",
    f"flat.jsonl.gz#{len(LINE)}": "too long: over max_document_bytes",
    f"flat.jsonl.zst#{len(LINE)}": "too long: over max_document_bytes",
    "huge.parquet#0": "damaged input: row group 0 (1 rows) would unpack from",
}


def test_bombs_are_rejected_in_bounded_memory(bombs, harmless_big_mib, tokenizer_file, tmp_path):
    out = tmp_path / "out"
    argv = ["prepare", bombs, "--out", out, "--tokenizer", tokenizer_file, *OPTIONS]
    ran, peak_mib = measured(*argv)
    assert ran.code == 3, ran.err
    found = {source: each["reason"] for source, each in rejected_of(out).items()}
    assert found.keys() == REASONS.keys()
    assert all(found[source].startswith(reason) for source, reason in REASONS.items())
    assert peak_mib < harmless_big_mib + ROOM_MIB
    # What stands beside and behind them is kept.
    sources = {row["source"].partition("#")[0] for row in rows_of(out, "documents")}
    n_rows = sum(1 for _ in rows_of(out, "documents"))
    kept = {"good.txt", "tiny.txt.gz", "tiny.txt.zst", "flat.jsonl.gz", "flat.jsonl.zst"}
    assert (sources, n_rows) == (kept, 7)


@pytest.mark.parametrize("name", ["flat.txt.zst", "flat.jsonl.zst"])
def test_segment_rejects_what_prepare_does(bombs, harmless_mib, name):
    ran, peak_mib = measured("segment", bombs / name, "--max-document-bytes", MIB)
    assert ran.code == 3
    assert "rejected, too long: over max_document_bytes (1048576)" in ran.err
    assert peak_mib < harmless_mib + ROOM_MIB


READ_ROWS = """
import sys
from pathlib import Path
from pipeline.readers import InputRange, documents_of
from pipeline.streams import ReadBytes
from schemas.config import PrepareConfig
config = PrepareConfig(tokenizer_sha256="", eos="", max_document_bytes=2 << 20)
part = InputRange(sys.argv[1], "a.parquet", "parquet", 0, 1)
print(sum(len(each.text) for each in documents_of(part, config, ReadBytes())))
"""


# With its Arrow schema the column is a dictionary, without it one of plain values.
@pytest.mark.parametrize("store_schema", [True, False])
def test_rows_of_a_long_dictionary_value_are_not_copies_of_it(tmp_path, store_schema):
    n_rows, n_bytes = 200, 2 * MIB
    column = pa.DictionaryArray.from_arrays(
        pa.array([0] * n_rows, pa.int32()), pa.array(["a" * n_bytes])
    )
    path = tmp_path / "a.parquet"
    options = {"compression": "zstd", "dictionary_pagesize_limit": 64 * MIB}
    pq.write_table(pa.table({"text": column}), path, store_schema=store_schema, **options)
    assert path.stat().st_size < 10_000
    _, harmless_mib = measured_line(
        [sys.executable, "-c", "import pyarrow.parquet, pipeline.readers"]
    )
    ran, peak_mib = measured_line([sys.executable, "-c", READ_ROWS, path])
    assert ran.out.strip() == str(n_rows * n_bytes), ran.err
    assert peak_mib < harmless_mib + ROOM_MIB


def test_long_names_close_a_table_as_long_texts_do(tmp_path, tokenizer_file, harmless_mib):
    line = json.dumps({"text": GOOD, "page": "a" * 1_000_000}).encode() + b"\n"
    (tmp_path / "a.jsonl.zst").write_bytes(zstd.compress(line * 200))
    argv = ["prepare", tmp_path / "a.jsonl.zst", "--out", tmp_path / "out"]
    ran, peak_mib = measured(
        *argv,
        *OPTIONS,
        *("--source-column", "page", "--chunk-bytes", 4 * MIB),
        *("--tokenizer", tokenizer_file, "--configs", "documents"),
    )
    assert ran.code == 0, ran.err
    assert "documents: 200 rows" in ran.out
    assert peak_mib < harmless_mib + ROOM_MIB


GIANT_BYTES = 2 << 30


@pytest.fixture(scope="module")
def harmless_big_mib(tmp_path_factory, tokenizer_file):
    """What a big run takes whose input holds nothing of note: its workers load a fast engine."""
    folder = tmp_path_factory.mktemp("harmless-big")
    text = GOOD + "Ebb and flood. " * 6000
    line = json.dumps({"text": text}).encode() + b"\n"
    (folder / "good.jsonl").write_bytes(line * (1 + WORTH_BYTES // len(line)))
    argv = ["prepare", folder / "good.jsonl", "--out", folder / "out", "--chunk-bytes", MIB]
    ran, peak_mib = measured(*argv, *OPTIONS, "--tokenizer", tokenizer_file)
    assert ran.code == 0, ran.err
    return peak_mib


@pytest.mark.slow
def test_a_line_and_a_file_of_2_gib_are_rejected_and_their_neighbours_kept(
    tmp_path, tokenizer_file, harmless_big_mib
):
    (tmp_path / "in").mkdir()
    jsonl = (LINE + b'{"text": "', b'"}\n' + LINE)
    for name, (begin, end) in {"a.jsonl": jsonl, "b.txt": (b"a", b"z")}.items():
        with (tmp_path / "in" / name).open("wb") as file:
            file.write(begin)
            # Not written: the system gives zeros.
            file.seek(GIANT_BYTES)
            file.write(end)
    out = tmp_path / "out"
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tokenizer_file]
    ran, peak_mib = measured(*argv, *OPTIONS)
    assert ran.code == 3, ran.err
    found = {source: each["reason"] for source, each in rejected_of(out).items()}
    assert found.keys() == {f"a.jsonl#{len(LINE)}", "b.txt"}
    assert all(reason.startswith("too long: over max_document_bytes") for reason in found.values())
    assert sum(1 for _ in rows_of(out, "documents")) == 2
    assert peak_mib < harmless_big_mib + ROOM_MIB
    assert duologue("verify", out).code == 0
