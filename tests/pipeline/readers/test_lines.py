"""Text lines: each is a document, however the file is cut."""

import dataclasses
import gzip

from hypothesis import given
from hypothesis import strategies as st

from pipeline.inputs import list_inputs
from pipeline.plan import make_plan
from pipeline.readers import InputRange
from tests.pipeline.making import CONFIG, read, read_all

LIMIT = 64

line = st.one_of(
    st.text(max_size=30).map(str.encode),
    st.integers(LIMIT - 2, 9 * LIMIT).map(lambda n: b"x" * n),
    st.sampled_from([b"", b" ", b"\r", b"x" * LIMIT + b"\r", b"\xff", b'{"text": 1}']),
)


def whole(path):
    return InputRange(str(path), path.name, "lines", 0, path.stat().st_size)


@given(
    found=st.lists(st.tuples(line, st.sampled_from([b"\n", b"\r\n"]))),
    is_ended=st.booleans(),
    chunk_bytes=st.integers(1, 300),
)
def test_each_line_is_a_document_however_the_file_is_cut(
    tmp_path_factory, found, is_ended, chunk_bytes
):
    data = b"".join(line + end for line, end in found)
    data = data if is_ended else data[:-1]
    path = tmp_path_factory.mktemp("cut") / "a.txt"
    path.write_bytes(data)
    (packed := path.with_name("a.txt.gz")).write_bytes(gzip.compress(data))
    config = dataclasses.replace(
        CONFIG, format="lines", max_document_bytes=LIMIT, chunk_bytes=chunk_bytes
    )
    plan = make_plan(list_inputs([str(path)]), {}, config)
    documents = read_all([part for chunk in plan.chunks for part in chunk.ranges], config)
    assert documents == read(whole(path), config)
    assert [each[2:5] for each in documents] == [each[2:5] for each in read(whole(packed), config)]
    at, expected = 0, []
    for each in data.split(b"\n"):
        if each.strip() or len(each) > LIMIT:
            expected.append((at, each))
        at += len(each) + 1
    assert [each.source_offset for each in documents] == [at for at, _ in expected]
    for document, (at, raw) in zip(documents, expected, strict=True):
        assert document.source == f"a.txt#{at}"
        if document.text is None:
            assert document.reason.startswith(("too long", "invalid UTF-8"))
        else:
            assert document.text.encode() in (raw, raw.removesuffix(b"\r"))
            assert len(document.text.encode()) <= LIMIT
