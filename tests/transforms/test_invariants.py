import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.delimiters import SCHEMES
from tests.transforms.documents import byte_level, document, metaspace, qa, table, tables
from transforms.invariants import row_faults, schema_faults
from transforms.rows import RowConfig, document_rows, episode_rows, redelimit
from transforms.tokenize import tokenize_documents

BUILDS = {"documents": document_rows, "episodes": episode_rows}


def rows_of(config_name, documents, tokenizer, delimiters="eos", max_tokens=None):
    config = RowConfig(delimiters=delimiters, max_tokens=max_tokens)
    return BUILDS[config_name](tokenize_documents(documents, tokenizer), tokenizer, config).table


@pytest.mark.parametrize("config_name", BUILDS)
@pytest.mark.parametrize("tokenizer", [byte_level(), metaspace()])
@given(
    documents=tables,
    scheme=st.sampled_from(sorted(SCHEMES)),
    max_tokens=st.none() | st.integers(8, 120),
)
@settings(max_examples=30, deadline=None)
def test_what_is_built_has_no_fault(config_name, tokenizer, documents, scheme, max_tokens):
    rows = rows_of(config_name, documents, tokenizer, scheme, max_tokens)
    assert row_faults(rows, tokenizer, config_name) == []
    bare = redelimit(rows, tokenizer, None)
    assert row_faults(bare, tokenizer, config_name) == []


def good_rows():
    return rows_of(
        "documents",
        table(document("Hi.\n", qa("Why?", "So."), source="a"), document("End.", source="b")),
        byte_level(),
    )


def with_row(rows, row, **cells):
    """The rows with some cells of one of them exchanged."""
    cells_of = rows.to_pylist()
    cells_of[row] |= cells
    return pa.Table.from_pylist(cells_of, schema=rows.schema)


def with_segment(rows, row, segment, **fields):
    segments = rows["segments"][row].as_py()
    segments[segment] |= fields
    return with_row(rows, row, segments=segments)


def with_id(rows, row, token, value):
    ids = rows["input_ids"][row].as_py()
    ids[token] = value
    return with_row(rows, row, input_ids=ids)


def eos_before_its_place(rows):
    start = rows["segments"][0].as_py()[2]["start"]
    return with_id(rows, 0, start, byte_level().eos_id)


BREACHES = {
    "a player too few": (
        lambda rows: with_row(rows, 0, player=rows["player"][0].as_py()[1:]),
        "players",
    ),
    "a hole between segments": (lambda rows: with_segment(rows, 0, 1, start=99), "do not follow"),
    "a tail without segment": (
        lambda rows: with_row(rows, 1, segments=[]),
        "segments end at 0 of",
    ),
    "a segment of another player": (
        lambda rows: with_segment(rows, 0, 2, player=2),
        "segment 2 (question): belongs to player 2",
    ),
    "a delimiter of nature's": (
        lambda rows: with_segment(rows, 0, 3, player=0),
        "segment 3 (delimiter): belongs to player 0",
    ),
    "a token of another player": (
        lambda rows: with_row(rows, 1, player=[1, *rows["player"][1].as_py()[1:]]),
        "segment 0 (text): tokens of players other than 0",
    ),
    "a control id in a question": (
        eos_before_its_place,
        "segment 2 (question): holds a control id",
    ),
    "an id past the vocabulary": (lambda rows: with_id(rows, 0, 0, 65_000), "token 0: id 65000"),
    "a delimiter with bytes": (
        lambda rows: with_segment(rows, 0, 3, byte_start=0),
        "of a delimiter",
    ),
    "bytes that overlap": (lambda rows: with_segment(rows, 0, 1, byte_start=3), "gap of -1 bytes"),
    "bytes left out": (lambda rows: with_segment(rows, 0, 1, byte_start=5), "gap of 1 bytes"),
    "bytes that are not the text's": (
        lambda rows: with_segment(rows, 1, 0, byte_end=7),
        "segment 0 (text): bytes [0, 7), but 4 decoded",
    ),
    "another text": (
        lambda rows: with_row(rows, 1, input_ids=rows["input_ids"][1].as_py()[::-1]),
        "source and decoded text make",
    ),
    "another source": (lambda rows: with_row(rows, 1, source="c"), "source and decoded text make"),
}


@pytest.mark.parametrize(("spoil", "complaint"), BREACHES.values(), ids=BREACHES)
def test_breaches_are_found_and_placed(spoil, complaint):
    rows = good_rows()
    faults = row_faults(spoil(rows), byte_level(), "documents")
    named = [fault for fault in faults if complaint in fault]
    assert named
    assert any(identity in named[0] for identity in rows["id"].to_pylist())


def test_ids_of_an_id_column_are_not_recomputed():
    rows = rows_of("documents", table(document("End.") | {"id_key": "7"}), byte_level())
    assert row_faults(rows, byte_level(), "documents") != []
    assert row_faults(rows, byte_level(), "documents", are_ids_from_text=False) == []


def test_an_episode_needs_a_token_of_player_two():
    rows = rows_of("episodes", table(document(qa("Why?", "So."))), byte_level())
    kept = rows["segments"][0].as_py()[:2]
    size = kept[-1]["end"]
    cells = {name: rows[name][0].as_py()[:size] for name in ("input_ids", "player")}
    faults = row_faults(with_row(rows, 0, segments=kept, **cells), byte_level(), "episodes")
    assert faults == [f"row {rows['id'][0].as_py()}: no token of player two"]


def test_other_configs_are_refused():
    with pytest.raises(ValueError, match="choose one of documents, episodes"):
        row_faults(good_rows(), byte_level(), "messages")


def test_no_rows_have_no_fault():
    assert row_faults(good_rows().slice(0, 0), byte_level(), "documents") == []


def test_what_the_schema_rules_out_is_told():
    rows = good_rows()
    assert list(schema_faults(rows)) == []
    assert list(schema_faults(with_segment(rows, 0, 1, kind="prose", start=None))) == [
        "segments.start: 1 nulls",
        "segments.kind: 'prose' is none",
    ]
    assert list(schema_faults(with_id(rows, 1, 0, None))) == ["input_ids: 1 nulls"]
    assert list(schema_faults(with_row(rows, 0, id=None))) == ["id: 1 nulls"]
