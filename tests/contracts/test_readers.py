"""What every reader owes; a newcomer is tested by being in READERS, with a sample here."""

import dataclasses
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from pipeline.inputs import list_inputs
from pipeline.plan import make_plan
from pipeline.readers import READER_OF_NAME, READERS, InputRange, reader_of
from pipeline.streams import ReadBytes
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, read, read_all
from tests.running import exchange

TEXTS = [exchange(i) for i in range(60)]
"""What a sample of a format of records holds; a format of documents has the first alone."""


def as_jsonl(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def as_parquet(path, texts):
    pq.write_table(pa.table({"text": texts}), path, row_group_size=7)


SAMPLES = {
    "text": lambda path, texts: path.write_text(texts[0]),
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}


@pytest.fixture(params=[each for each in READERS if each.suffixes], ids=lambda each: each.name)
def reader(request):
    """Each of READERS that a suffix asks for; of text lines see their own tests."""
    return request.param


@pytest.fixture
def sample(tmp_path, reader):
    """A file of the reader's format."""
    path = tmp_path / f"a{reader.suffixes[0]}"
    SAMPLES[reader.name](path, TEXTS)
    return path


def ranges(path, chunk_bytes=CONFIG.chunk_bytes, **changes):
    config = dataclasses.replace(CONFIG, chunk_bytes=chunk_bytes, **changes)
    plan = make_plan(list_inputs([str(path)]), {}, config)
    return [part for chunk in plan.chunks for part in chunk.ranges]


def test_names_and_suffixes_are_unique():
    assert len(READER_OF_NAME) == len(READERS)
    suffixes = [suffix for reader in READERS for suffix in reader.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert {suffix[0] for suffix in suffixes} == {"."}
    assert [suffix.lower() for suffix in suffixes] == suffixes


def test_a_reader_is_found_by_any_of_its_suffixes(reader):
    for suffix in reader.suffixes:
        assert reader_of(f"a/b{suffix.upper()}") is reader
        for compression in (".gz", ".zst"):
            found = reader_of(f"a/b{suffix}{compression}")
            assert found is (reader if reader.can_be_compressed else None)


def test_all_documents_come_in_order_with_sources_of_their_own(sample):
    documents = read_all(ranges(sample))
    assert [each.text for each in documents] == TEXTS[: len(documents)]
    assert len(documents) in {1, len(TEXTS)}
    sources = [each.source for each in documents]
    assert len(set(sources)) == len(sources)
    assert {source.partition("#")[0] for source in sources} == {sample.name}


@pytest.mark.parametrize("chunk_bytes", [64, 1009, 4096])
def test_cuts_do_not_change_what_is_read(sample, chunk_bytes):
    assert read_all(ranges(sample, chunk_bytes)) == read_all(ranges(sample))


def test_reading_twice_gives_the_same_and_hashes_what_was_read(reader, sample):
    [part] = ranges(sample, 1 << 20)
    one, two = ReadBytes(), ReadBytes()
    assert list(reader.read(part, CONFIG, one)) == list(reader.read(part, CONFIG, two))
    assert (one.n_bytes, one.blake2b) == (two.n_bytes, two.blake2b)
    assert one.n_bytes > 0
    SAMPLES[reader.name](sample, [TEXTS[0].swapcase(), *TEXTS[1:]])
    three = ReadBytes()
    list(reader.read(part, CONFIG, three))
    assert three.blake2b != one.blake2b


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_compressed_file_reads_as_the_file_does(reader, sample, pack):
    if not reader.can_be_compressed:
        pytest.skip(f"{reader.name} is compressed inside")
    suffix = {gzip.compress: ".gz", zstd.compress: ".zst"}[pack]
    packed = sample.with_name(f"{sample.name}{suffix}")
    packed.write_bytes(pack(sample.read_bytes()))
    [part] = ranges(packed)
    found = [each._replace(source=each.source.replace(suffix, "", 1)) for each in read(part)]
    assert found == read_all(ranges(sample))


@pytest.mark.parametrize("share", [0, 1, 2, 3])
def test_a_broken_file_is_rejected_and_does_not_raise(sample, share):
    data = sample.read_bytes()
    # Cut, then filled up with bytes that are of no format.
    sample.write_bytes(data[: len(data) * share // 4] + b"\xff\xfe\x00" * 40)
    documents = read_all(ranges(sample))
    assert documents[-1].text is None
    assert documents[-1].reason
    assert all(str(sample.parent) not in (each.reason or "") for each in documents)


def test_documents_over_the_limit_are_rejected_alone(sample):
    limit = sorted(map(len, TEXTS))[len(TEXTS) // 2]
    found = read_all(ranges(sample), dataclasses.replace(CONFIG, max_document_bytes=limit))
    whole = read_all(ranges(sample))
    assert len(found) == len(whole)
    for each, document in zip(found, whole, strict=True):
        assert each.source == document.source
        if len(document.text.encode()) > limit:
            assert each.reason == f"too long: over max_document_bytes ({limit})"
        else:
            assert each == document or each.reason.startswith("too long")


def test_columns_are_told_or_none(reader, sample):
    [file] = list_inputs([str(sample)])
    assert reader.columns(file) in (None, ["text"])


def test_a_file_that_went_is_told_of(reader, tmp_path):
    gone = InputRange(str(tmp_path / "gone"), "gone", reader.name, 0, 9)
    with pytest.raises(UserError, match="gone is gone since the inputs were listed"):
        list(reader.read(gone, CONFIG, ReadBytes()))
