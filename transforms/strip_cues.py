"""Takes the native labels of episodes ("Q:", "##", ">>>") out of written rows."""

import dataclasses
import re

import numpy as np
import pyarrow as pa

from schemas.episode import SegmentKind
from transforms.flat import KIND_CODE, OUTSIDE
from transforms.rows import segments_of_rows, with_segments
from transforms.segment_tokenizer import SegmentTokenizer

_LABEL = re.compile(r"\S+")
_MARKER = KIND_CODE[SegmentKind.MARKER]


def strip_cues(rows: pa.Table, tokenizer: SegmentTokenizer) -> pa.Table:
    """Leaves of every marker in an episode its white space, and no marker that has none.

    What players chose, text outside episodes and delimiters keep their tokens; so do labels that
    stand inside a question or an answer. The byte range of a marker stays that of the document.

    Args:
      rows: row_schema.
      tokenizer: the one that the rows were tokenised with.

    Returns:
      row_schema, the same rows.
    """
    segments = segments_of_rows(rows)
    places = np.flatnonzero((segments.kind == _MARKER) & (segments.episode != OUTSIDE))
    markers = segments.pool.take(pa.array(segments.tokens[places]))
    spaces = pa.array([_LABEL.sub("", text) for text in tokenizer.decode_lists(markers)])
    # The same few white spaces stand in a corpus many times over.
    unique = spaces.cast(pa.string()).dictionary_encode()
    tokens = segments.tokens.copy()
    tokens[places] = len(segments.pool) + unique.indices.to_numpy()
    pool = pa.concat_arrays([segments.pool, tokenizer.encode(unique.dictionary)])
    stripped = dataclasses.replace(segments, tokens=tokens, pool=pool)
    is_empty = np.zeros(len(segments), np.bool_)
    is_empty[places] = stripped.n_tokens[places] == 0
    return with_segments(rows, stripped.take(~is_empty))
