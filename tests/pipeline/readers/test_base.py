"""Documents become tables of bounded size."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers import Document, tables
from schemas.episode import DOCUMENTS

documents = st.builds(
    Document, st.text(max_size=5), st.none() | st.integers(0, 9), st.none(), st.text(max_size=2000)
)


@given(st.lists(documents), st.integers(1, 4000))
def test_tables_hold_all_documents_in_order_and_one_is_the_last(found, table_bytes):
    made = list(tables(found, table_bytes))
    assert [is_last for _, is_last in made] == [False] * (len(made) - 1) + [True]
    rows = [tuple(row.values()) for table, _ in made for row in table.to_pylist()]
    assert rows == [tuple(each) for each in found]
    for table, _ in made:
        assert table.schema == DOCUMENTS
        assert len(table) or not found
        # All but the last document are below the limit.
        assert sum(map(len, table["text"].to_pylist()[:-1])) < table_bytes
