"""Segmentation: which bytes of a document are a question, reasoning, an answer or neither.

Lines are tested once for all families, the families look at the candidates, and what they propose
is resolved and tiled. Segmentation is lossless: a document's spans tile its bytes.
"""

import itertools

import numpy as np
import pyarrow as pa

from schemas.episode import SPAN
from transforms.candidates import find_candidates
from transforms.cues import FAMILIES
from transforms.episodes import Span, resolve, tile, trim_episode
from transforms.lines import Lines, split_lines


def segment_documents(documents: pa.Table) -> pa.Table:
    """Adds the spans of every document.

    Args:
      documents: `schemas.DOCUMENTS`.

    Returns:
      The table with one more column, `spans`: list<SPAN>. It is null for a rejected document,
      else tiles the document's bytes. Spans depend on the document's text alone.
    """
    lines = split_lines(documents["text"])
    candidates = find_candidates(lines, [family.candidate for family in FAMILIES])
    proposed = []
    for family in FAMILIES:
        trimmed = (trim_episode(lines.data, found) for found in candidates.once(family.find))
        proposed.append((family.name, [episode for episode in trimmed if episode is not None]))
    kept = resolve(proposed)
    episode_start = np.array([episode.start for _, episode in kept], np.int64)
    bounds = np.searchsorted(episode_start, lines.document_start)
    n_spans, spans = [0], list[Span]()
    for document, (low, high) in enumerate(itertools.pairwise(bounds.tolist())):
        start, end = lines.document_start[document : document + 2].tolist()
        spans.extend(tile(lines.data, start, end, kept[low:high]))
        n_spans.append(len(spans))
    column = _span_lists(lines, np.array(n_spans), spans, documents["text"].is_null())
    return documents.append_column("spans", column)


def _span_lists(
    lines: Lines, offsets: np.ndarray, spans: list[Span], is_rejected: pa.ChunkedArray
) -> pa.ListArray:
    """list<SPAN> [n_documents], with byte offsets counted from each document's start.

    Args:
      lines: of the documents.
      offsets: int64 [n_documents + 1], document d has the spans [offsets[d], offsets[d + 1]).
      spans: of all documents, in order.
      is_rejected: bool [n_documents].
    """
    kinds, players, games, episodes, turns, starts, ends, cues = (
        zip(*spans, strict=True) if spans else ((),) * len(Span._fields)
    )
    origin = np.repeat(lines.document_start[:-1], np.diff(offsets))
    byte_start = np.array(starts, np.int64) - origin
    byte_end = np.array(ends, np.int64) - origin
    columns = (kinds, players, games, episodes, turns, byte_start, byte_end, cues)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SPAN, strict=True)]
    values = pa.StructArray.from_arrays(arrays, fields=list(SPAN))
    mask = pa.concat_arrays(is_rejected.chunks) if is_rejected.num_chunks else None
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values, type=pa.list_(SPAN), mask=mask
    )
