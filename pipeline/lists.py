"""Lists of a manifest: in it while they are short, past that as Parquet beside it."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import atomic_file, has_sha256, remove
from pipeline.remote import Place
from pipeline.tape import Tape

INLINE_ROWS = 100_000
"""A list of more entries than this stands in a file of its own."""

LISTS = {
    "shards": pa.schema(
        {
            "path": pa.string(),
            "config": pa.string(),
            "split": pa.string(),
            "rows": pa.int64(),
            "tokens": pa.int64(),
            "tokens_by_player": pa.list_(pa.int64()),
            "size_bytes": pa.int64(),
            "sha256": pa.string(),
        }
    ),
    "rejected_files": pa.schema({"path": pa.string(), "rows": pa.int64(), "sha256": pa.string()}),
    "inputs": pa.schema({"path": pa.string(), "size_bytes": pa.int64()}),
    "damaged_inputs": pa.schema(
        {"source": pa.string(), "byte_offset": pa.int64(), "reason": pa.string()}
    ),
}
"""Fields of the manifest that may be long, with the columns of their files."""

_GROUP_ROWS = 1 << 16
"""Of a row group: what is in memory of a list while it is written or read."""


def list_file(name: str) -> str:
    """Where a long list stands in the output."""
    return f"{name}.parquet"


def write_list(out: Place, name: str, rows: Tape[dict[str, Any]]) -> Any:  # noqa: ANN401 JSON
    """What the manifest holds of a list: the rows, or of many the file that is written here."""
    path = out / list_file(name)
    if len(rows) <= INLINE_ROWS:
        remove([path])
        return [*rows]
    left = iter(rows)
    with (
        atomic_file(path) as file,
        pq.ParquetWriter(pa.PythonFile(file, mode="w"), LISTS[name], compression="zstd") as writer,
    ):
        while group := [*islice(left, _GROUP_ROWS)]:
            writer.write_table(pa.Table.from_pylist(group, LISTS[name]))
    return {"path": path.name, "rows": len(rows), "sha256": file.sha256}


def read_list(out: Place, name: str, value: Any) -> Any:  # noqa: ANN401 JSON
    """The rows of a list, wherever they stand; None if their file is damaged.

    Args:
      out: the output.
      name: of the list.
      value: what the manifest holds of it.
    """
    if isinstance(value, list):
        return value
    path = out / list_file(name)
    if not isinstance(value, dict) or not has_sha256(path, str(value.get("sha256"))):
        return None
    rows = Tape(_stored_rows(path))
    is_same = value == {"path": path.name, "rows": len(rows), "sha256": value["sha256"]}
    return rows if is_same else None


def _stored_rows(path: Place) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file, pq.ParquetFile(file) as table:
        for batch in table.iter_batches(_GROUP_ROWS):
            yield from batch.to_pylist()
