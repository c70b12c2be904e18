"""Parquet: each row once, named by its number, whatever type its text has."""

import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.inputs import list_inputs
from pipeline.plan import make_plan
from pipeline.readers import READER_OF_NAME, InputRange
from tests.pipeline.making import CONFIG, read, read_all


def documents(path, config=CONFIG):
    plan = make_plan(list_inputs([str(path)]), {}, config)
    return read_all([part for chunk in plan.chunks for part in chunk.ranges], config)


@settings(max_examples=30)
@given(
    texts=st.lists(st.text(max_size=20), max_size=600),
    group=st.integers(1, 300),
    chunk_bytes=st.integers(1, 20_000),
)
def test_each_row_is_read_once_however_the_file_is_cut(tmp_path_factory, texts, group, chunk_bytes):
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    pq.write_table(pa.table({"n": range(len(texts)), "text": texts}), path, row_group_size=group)
    found = documents(path, dataclasses.replace(CONFIG, chunk_bytes=chunk_bytes))
    assert [each.text for each in found] == texts
    assert [each.source for each in found] == [f"a.parquet#{i}" for i in range(len(texts))]
    assert {each.source_offset for each in found} <= {None}


def test_a_big_file_is_cut_by_row_groups(tmp_path):
    pq.write_table(pa.table({"text": ["x" * 1000] * 60}), tmp_path / "a.parquet", row_group_size=10)
    config = dataclasses.replace(CONFIG, chunk_bytes=100)
    plan = make_plan(list_inputs([str(tmp_path)]), {}, config)
    cuts = [(part.start, part.end) for chunk in plan.chunks for part in chunk.ranges]
    assert cuts == [(i, i + 1) for i in range(6)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x", None], pa.string()),
        pa.array(["x", None], pa.large_string()),
        pa.array([b"x", None], pa.binary()),
        # Dictionaries are how categories are stored.
        pa.array(["x", None]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_text_of_any_type_is_read_and_null_is_rejected(tmp_path, column):
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    one, two = documents(tmp_path / "a.parquet")
    assert one.text == "x"
    assert two.reason.startswith("no text: column 'text' is null")


def test_a_column_of_numbers_is_no_text(tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    assert {each.reason for each in documents(tmp_path / "a.parquet")} == {
        "no text: column 'text' is null or no text"
    }


def test_columns_name_sources_and_ids(tmp_path):
    table = pa.table({"text": ["x", "y"], "n": [7, None], "from": ["a", "b"]})
    pq.write_table(table, tmp_path / "a.parquet")
    config = dataclasses.replace(CONFIG, id_column="n", source_column="from")
    one, two = documents(tmp_path / "a.parquet", config)
    assert (one.source, one.id_key) == ("a", "7")
    assert two.reason == "no id: column 'n' has no string or integer"


def test_a_cut_file_is_damaged(tmp_path):
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:-9])
    [each] = documents(tmp_path / "a.parquet")
    assert each.reason.startswith("damaged input: ")
    assert str(tmp_path) not in each.reason


@pytest.mark.parametrize("chunk_bytes", [100, 1 << 20])
def test_a_damaged_row_group_takes_no_other_with_it(tmp_path, chunk_bytes):
    """Found by fuzzing: rows of whole groups were lost, and other ones where the file was cut."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": list("abcdef")}), path, row_group_size=2)
    at = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    data = path.read_bytes()
    path.write_bytes(data[:at] + b"\xff" * 8 + data[at + 8 :])
    found = documents(path, dataclasses.replace(CONFIG, chunk_bytes=chunk_bytes))
    assert [each.text for each in found] == ["a", "b", None, "e", "f"]
    assert [each.source for each in found] == [f"a.parquet#{row}" for row in (0, 1, 2, 4, 5)]
    assert found[2].reason.startswith("damaged input: ")


def test_a_name_that_is_no_utf8_is_none(tmp_path):
    """Found by fuzzing: nothing checks that a file's strings are UTF-8."""
    names = pa.array([b"a", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"text": ["x", "y"], "from": names}), tmp_path / "a.parquet")
    for column in ("source_column", "id_column"):
        config = dataclasses.replace(CONFIG, **{column: "from"})
        one, two = documents(tmp_path / "a.parquet", config)
        assert "a" in (one.source, one.id_key)
        assert two.reason == "no id: column 'from' has no string or integer"


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_columns_whose_names_are_no_utf8_are_damage(tmp_path, chunk_bytes):
    """Found by fuzzing: a changed byte of the footer ended the job."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", "y"]}), path, row_group_size=1)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"text", b"te\xfft"))
    [file] = list_inputs([str(path)])
    assert READER_OF_NAME["parquet"].columns(file) is None
    [each] = documents(path, dataclasses.replace(CONFIG, chunk_bytes=chunk_bytes))
    assert each.reason.startswith("damaged input: ")


def test_fewer_row_groups_than_were_listed_are_damage(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x"]}), path)
    first, last = read(InputRange(str(path), "a.parquet", "parquet", 0, 2))
    assert first.text == "x"
    assert last.reason.startswith("damaged input: ")


def test_a_footer_that_contradicts_itself_is_damage(tmp_path):
    """The statistics count absent values, the schema says there are none: pyarrow would abort."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", None]}), path, store_schema=False)
    data = path.read_bytes()
    optional, required = b"\x25\x02\x18\x04text", b"\x25\x00\x18\x04text"
    assert data.count(optional) == 1
    path.write_bytes(data.replace(optional, required))
    [each] = documents(path)
    assert each.reason.startswith("damaged input: ")


def test_a_byte_changed_anywhere_is_damage_and_no_fault(tmp_path):
    """Of a dictionary's indices pyarrow does not see that they point past its end."""
    texts = pa.array(["ebb", "flood", "ebb", None, "moon"] * 4).dictionary_encode()
    pq.write_table(pa.table({"text": texts}), tmp_path / "whole.parquet", compression="none")
    sound = (tmp_path / "whole.parquet").read_bytes()
    path = tmp_path / "a.parquet"
    for at in range(len(sound)):
        for byte in (0, 7, 0x7F, 0xFF, sound[at] ^ 1):
            path.write_bytes(sound[:at] + bytes([byte]) + sound[at + 1 :])
            for document in read(InputRange(str(path), path.name, "parquet", 0, 1)):
                assert (document.text is None) != (document.reason is None)
