"""Plain text: a file is a document, byte for byte."""

import dataclasses
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers import InputRange
from tests.pipeline.making import CONFIG, read

WIDE = "UTF-16 text: no mark at its begin, but every other byte is NUL"


def document(path, config=CONFIG):
    [found] = read(InputRange(str(path), path.name, "text", 0, path.stat().st_size), config)
    return found


@given(st.text())
def test_a_file_is_its_text_packed_or_not(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_bytes(text.encode())
    (folder / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    assert document(folder / "a.txt").text == document(folder / "a.txt.gz").text == text
    assert document(folder / "a.txt").source_offset == 0


@pytest.mark.parametrize(
    ("data", "limit", "reason"),
    [
        (b"caf\xe9", 64, "invalid UTF-8: at byte 3"),
        # Half a character at the end.
        ("é".encode()[:1], 64, "invalid UTF-8: at byte 0"),
        (b"x" * 65, 64, "too long: over max_document_bytes (64)"),
        (b"x" * 64, 64, None),
        ("Q: Why?".encode("utf-16-le"), 64, None),
        ("Q: Why? ".encode("utf-16-le"), 64, WIDE),
        ("Q: Why? ".encode("utf-16-be"), 64, WIDE),
        (b"\0" * 64, 64, None),
    ],
)
def test_what_cannot_be_used_is_rejected(tmp_path, data, limit, reason):
    (tmp_path / "a.txt").write_bytes(data)
    config = dataclasses.replace(CONFIG, max_document_bytes=limit)
    found = document(tmp_path / "a.txt", config)
    assert found.reason == reason
    assert found.raw == (None if reason is None else data)


def test_replacing_keeps_what_is_no_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    config = dataclasses.replace(CONFIG, encoding_errors="replace")
    assert document(tmp_path / "a.txt", config).text == "caf\ufffd"
