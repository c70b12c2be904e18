"""How the tests of faults count documents, before tools are compared by it."""

import gzip
from collections import Counter

from benchmarks.reliability_peers import compare, hashes, readable, write_corpus


def test_documents_are_lost_doubled_or_neither():
    assert compare(Counter("aab"), Counter("aab")) == (0, 0)
    assert compare(Counter("aaab"), Counter("abc")) == (1, 2)
    # What was in no input is no copy of a document.
    assert compare(Counter("x"), Counter("a")) == (1, 0)


def test_what_is_readable_are_whole_lines_in_utf_8(tmp_path):
    good, bad = b'{"text": "good"}\n', b'{"text": "b\xffd"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + bad + good[:-1])
    zipped = gzip.compress(good * 1000)
    (tmp_path / "b.jsonl.gz").write_bytes(zipped[: len(zipped) // 2])
    assert readable(tmp_path / "a.jsonl") == Counter(["good"])
    assert 0 < readable(tmp_path / "b.jsonl.gz")["good"] < 1000


def test_hashes_are_of_what_a_gz_holds(tmp_path):
    for name, time in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.gz").write_bytes(gzip.compress(b"same", mtime=time))
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    (tmp_path / "b/x.gz").write_bytes(gzip.compress(b"other"))
    assert hashes(tmp_path / "a") != hashes(tmp_path / "b")


def test_every_document_of_the_corpus_is_another(tmp_path):
    write_corpus(tmp_path / "corpus", " forged")
    found = readable(*(tmp_path / "corpus").iterdir())
    assert set(found.values()) == {1}
    assert len(found) == 2000
    assert sum(text.endswith(" forged") for text in found) == 8
