"""JSON lines: each record once, however the file is cut, and every broken line at its offset."""

import dataclasses
import json

import pytest
from backports import zstd
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.inputs import list_inputs
from pipeline.plan import make_plan
from pipeline.readers import InputRange, documents_of
from pipeline.streams import ReadBytes
from tests.pipeline.making import CONFIG, put, read, read_all

LIMIT = 60


def ranges(path, chunk_bytes, config):
    config = dataclasses.replace(config, chunk_bytes=chunk_bytes)
    plan = make_plan(list_inputs([str(path)]), {}, config)
    return [part for chunk in plan.chunks for part in chunk.ranges]


def whole(path):
    return InputRange(str(path), path.name, "jsonl", 0, path.stat().st_size)


def record(text):
    return json.dumps({"text": text}).encode()


def hashed(part):
    bytes_read = ReadBytes()
    list(documents_of(part, CONFIG, bytes_read))
    return bytes_read.blake2b


lines = st.one_of(
    st.text(max_size=30).map(record),
    # Over the limit, over many ranges.
    st.integers(LIMIT, 9 * LIMIT).map(lambda n: record("x" * n)),
    st.sampled_from([b"", b"  ", b"\r", b"{", b"[1]", b'{"text": 5}', b"\xff", b"\xef\xbb\xbf{}"]),
)


@given(
    found=st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"]))),
    is_ended=st.booleans(),
    chunk_bytes=st.integers(1, 300),
)
@example(found=[(record("ab"), b"\n")] * 4, is_ended=True, chunk_bytes=len(record("ab")) + 1)
def test_each_record_is_read_once_however_the_file_is_cut(
    tmp_path_factory, found, is_ended, chunk_bytes
):
    data = b"".join(line + end for line, end in found)
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    path.write_bytes(data if is_ended else data[:-1])
    config = dataclasses.replace(CONFIG, max_document_bytes=LIMIT)
    documents = read_all(ranges(path, chunk_bytes, config), config)
    assert documents == read(whole(path), config)
    offsets, at = [], 0
    for line in data.splitlines(keepends=True) if b"\r" not in data else data.split(b"\n"):
        if line.strip():
            offsets.append(at)
        at += len(line) + (b"\r" in data)
    if is_ended or not data.endswith(b"\r\n"):
        assert [document.source_offset for document in documents] == offsets
    for document in documents:
        assert document.source == f"a.jsonl#{document.source_offset}"
        assert (document.text is None) != (document.reason is None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        # A record's length is that of its line, its end included.
        (record("x" * 100), "too long: over max_document_bytes (60)"),
        (b" " * 100 + record("x"), "too long: over max_document_bytes (60)"),
        (b'{"text": "x"', "invalid JSON: at byte 13: unexpected end of data"),
        ('{"é": nul}'.encode(), "invalid JSON: at byte 7: invalid literal, expected 'null'"),
        (b'"text"', "no JSON object: a str"),
        (b"null", "no JSON object: a NoneType"),
        (b'{"body": "x"}', "no text: no column 'text'; there are 'body'"),
        (b'{"question": null, "answer": "x"}', "no text: question is not text"),
        (b'{"question": "x", "answer": 1}', "no text: answer is not text"),
        (b'{"text": null}', "no text: column 'text' holds a NoneType"),
        (b'{"text": ["x"]}', "no text: column 'text' holds a list"),
        (b'{"text": "\xe9"}', "invalid UTF-8: at byte 10"),
        # JSON can spell half a character; UTF-8 cannot hold it.
        (b'{"text": "\\ud800"}', "invalid JSON: "),
        (b'{"text": NaN}', "invalid JSON: "),
    ],
)
def test_a_broken_line_is_rejected_at_its_place(tmp_path, line, reason):
    good = record("good")
    put(tmp_path, {"a.jsonl": b"\n".join([good, line, good])})
    config = dataclasses.replace(CONFIG, max_document_bytes=LIMIT)
    one, broken, two = read(whole(tmp_path / "a.jsonl"), config)
    assert (one.text, two.text) == ("good", "good")
    assert broken.source_offset == len(good) + 1
    assert broken.reason.startswith(reason)
    assert broken.raw.startswith(line[:LIMIT])
    assert two.source_offset == len(good) + 1 + len(line) + 1


@pytest.mark.parametrize(
    ("begin", "encoding", "kind"),
    [
        (b"\xff\xfe", "utf-16-le", "UTF-16 text"),
        (b"\0\0\xfe\xff", "utf-32-be", "UTF-32 text"),
        # Its first line is blank.
        (b"\xfe\xff\0\n", "utf-16-be", "UTF-16 text"),
    ],
)
def test_a_format_is_recognised_in_every_range(tmp_path, begin, encoding, kind):
    path = tmp_path / "a.jsonl"
    path.write_bytes(begin + '{"text": "Où?"}\n'.encode(encoding) * 20)
    parts = ranges(path, 64, CONFIG)
    assert len(parts) > 3
    documents = read_all(parts)
    assert documents == read(whole(path))
    assert {document.reason.partition(":")[0] for document in documents} == {kind}
    # Another begin makes other documents of a range, so it has another hash.
    before = [hashed(part) for part in parts if read(part)]
    path.write_bytes(b"{}" + path.read_bytes()[2:])
    after = [hashed(part) for part in parts if read(part)]
    assert len(before) > 3
    assert all(one != two for one, two in zip(before, after, strict=True))


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path):
    put(tmp_path, {"a.jsonl": b"\xef\xbb\xbf" + record("x")})
    assert [each.text for each in read(whole(tmp_path / "a.jsonl"))] == ["x"]


def test_columns_name_sources_and_ids(tmp_path):
    fields = [{"text": "x", "n": 7, "from": "a"}, {"text": "y", "n": None, "from": "a"}]
    put(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, fields))})
    config = dataclasses.replace(CONFIG, id_column="n", source_column="from")
    one, two = read(whole(tmp_path / "a.jsonl"), config)
    assert (one.source, one.id_key, one.source_offset) == ("a", "7", 0)
    assert two.reason == "no id: column 'n' has no string or integer"


def test_replacing_keeps_what_is_no_utf8(tmp_path):
    put(tmp_path, {"a.jsonl": b'{"text": "caf\xe9"}\n{"text": "\xe9'})
    config = dataclasses.replace(CONFIG, encoding_errors="replace")
    kept, broken = read(whole(tmp_path / "a.jsonl"), config)
    assert kept.text == "caf\ufffd"
    assert broken.reason == "invalid JSON: at byte 13: unexpected end of data"


@given(st.integers(0, 400))
def test_a_cut_stream_loses_only_what_it_cut(tmp_path_factory, cut):
    # A frame a record, so that a cut stream still gives those before it.
    frames = [zstd.compress(record(str(i)) + b"\n") for i in range(8)]
    data = b"".join(frames)
    path = tmp_path_factory.mktemp("cut") / "a.jsonl.zst"
    path.write_bytes(data[:cut])
    documents = read(whole(path))
    texts = [each.text for each in documents if each.reason is None]
    n_whole = sum(len(b"".join(frames[: i + 1])) <= cut for i in range(8))
    assert texts == [str(i) for i in range(n_whole)]
    is_whole = cut >= len(data) or (n_whole and len(b"".join(frames[:n_whole])) == cut)
    assert [each.reason for each in documents[n_whole:]] == (
        [] if is_whole else ["damaged input: truncated zstd stream"]
    )
