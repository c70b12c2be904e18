"""The footer: what pyarrow says of column chunks, and one error over anything that is none."""

import contextlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.footer import ColumnChunk, read_footer


@settings(max_examples=100)
@given(data=st.data())
def test_the_footer_says_what_pyarrow_says_and_damage_is_named(data):
    # Lists of 15 or more have another header; a file of 64 kB and more another way to its footer.
    numbers = {f"n{i}": range(60) for i in range(data.draw(st.sampled_from([0, 13, 20])))}
    table = pa.table({"text": ["x", None] * 30, "b": [{"c": [1.5], "d": True}] * 60, **numbers})
    codec = data.draw(st.sampled_from(["none", "zstd"]))
    rows = data.draw(st.sampled_from([1, 3, 20]))
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=rows, compression=codec, use_dictionary=["text"])
    metadata = pq.read_metadata(file)
    expected = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        chunks = [group.column(number) for number in range(group.num_columns)]
        expected.append(
            [
                ColumnChunk(
                    each.path_in_schema,
                    each.total_uncompressed_size,
                    each.total_compressed_size,
                    each.dictionary_page_offset or each.data_page_offset,
                )
                for each in chunks
            ]
        )
    assert read_footer(file) == expected
    whole = bytearray(file.getvalue())
    at = data.draw(st.integers(len(whole) - metadata.serialized_size - 8, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        read_footer(io.BytesIO(whole))
