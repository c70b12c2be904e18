"""The segmenter under test, called in this process."""

import pyarrow as pa

from benchmarks.segmentation.gold import Span
from schemas.episode import DOCUMENTS
from transforms.segment import segment_documents


def documents_table(texts: list[str]) -> pa.Table:
    """A documents table of texts."""
    columns = {"source": pa.array(["x"] * len(texts)), "text": pa.array(texts, pa.large_string())}
    arrays = [columns.get(field.name, pa.nulls(len(texts), field.type)) for field in DOCUMENTS]
    return pa.Table.from_arrays(arrays, schema=DOCUMENTS)


def segment_by_rules(texts: list[str]) -> list[list[Span]]:
    """The project's own spans of each text; a cue is "family: what fired"."""
    table = segment_documents(documents_table(texts))
    return [
        [
            Span(
                start=span["byte_start"],
                end=span["byte_end"],
                kind=span["kind"],
                player=span["player"],
                episode=span["episode"],
                cue=f"{span['game']}: {span['cue']}",
            )
            for span in spans
        ]
        for spans in table["spans"].to_pylist()
    ]
