import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lines import split_lines


def split(*texts):
    return split_lines(pa.chunked_array([pa.array(texts, pa.large_string())]))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), []),
        (("",), []),
        (("a",), ["a"]),  # no newline at the end
        (("a\n",), ["a\n"]),
        (("a\n\nb",), ["a\n", "\n", "b"]),
        (("a\r\nb",), ["a\r\n", "b"]),
        (("a", "b"), ["a", "b"]),  # a document's end is a line's end
        (("a", "", None, "b\n"), ["a", "b\n"]),
        (("é\n…",), ["é\n", "…"]),
        (("\ufeffa\n", "\ufeff", "b\ufeff"), ["\ufeff", "a\n", "\ufeff", "b\ufeff"]),
    ],
)
def test_lines_end_with_newlines_and_documents(texts, expected):
    assert split(*texts).text.to_list() == expected


def test_documents_own_their_lines():
    lines = split("a\nb", None, "", "c")
    assert lines.first_line.tolist() == [0, 2, 2, 2, 3]
    assert lines.document_of(np.arange(3)).tolist() == [0, 0, 3]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab \n\r\x00é\u2003"))))
def test_lines_are_the_documents_text(texts):
    lines = split(*texts)
    assert "".join(lines.text.to_list()) == "".join(text or "" for text in texts)
    for document, text in enumerate(texts):
        first, end = lines.first_line[document : document + 2].tolist()
        assert "".join(lines.text.to_list()[first:end]) == (text or "")
        assert all("\n" not in line[:-1] for line in lines.text.to_list()[first:end])


def test_slices_and_chunks_are_read_from_their_own_offsets():
    array = pa.array(["skipped\n", "a\nb", "c"], pa.large_string())
    lines = split_lines(pa.chunked_array([array.slice(1), pa.array(["d"], pa.large_string())]))
    assert lines.text.to_list() == ["a\n", "b", "c", "d"]


def test_indentation_counts_a_tab_as_eight():
    lines = split("a\n  b\n\tc\n \n\td")
    assert lines.indent[[0, 1, 2, 4]].tolist() == [0, 2, 8, 8]
    assert lines.is_blank.tolist() == [False, False, False, True, False]
    assert lines.content_start[[1, 2]].tolist() == [4, 7]


def test_a_byte_order_mark_is_a_blank_line():
    lines = split("\ufeffa\n", "\ufeff", "b")
    assert lines.is_blank.tolist() == [True, False, True, False]
    assert lines.opens.tolist() == [True, True, True, True]


def test_paragraphs_open_and_close_at_document_ends():
    lines = split("a", "b\nc\n\nd")
    assert lines.opens[[0, 1, 2, 4]].tolist() == [True, True, False, True]
    assert lines.closes[[0, 1, 2, 4]].tolist() == [True, False, True, True]


def test_next_lines_stop_at_the_end():
    lines = split("a\n\n\nb\n")
    assert lines.next_filled(np.array([0, 3])).tolist() == [3, 4]
    assert lines.next_blank(np.array([0, 1, 3])).tolist() == [1, 1, 4]
