"""Tokenises the spans of documents, each on its own.

So every token has one player, and no delimiter merges with what it delimits.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.episode import REJECTED_BYTES
from schemas.keys import document_key
from transforms.control_tokens import with_control_tokens as with_control_tokens
from transforms.flat import Ints, list_sizes, starts_of_runs, text_offsets
from transforms.segment_tokenizer import SegmentTokenizer as SegmentTokenizer

UNTOKENISABLE = "holds a control token of a single character, which cannot be kept as text"
"""Why a document is rejected whose text `SegmentTokenizer.encode` gives null for."""


def tokenize_documents(documents: pa.Table, tokenizer: SegmentTokenizer) -> pa.Table:
    r"""Adds the tokens of each span to segmented documents.

    Texts that occur many times in a table ("\n\n") are tokenised once.

    Args:
      documents: DOCUMENTS and `spans`, list<SPAN>, which tile each document's UTF-8 bytes; null for
        rejected documents.
      tokenizer: what turns text into ids.

    Returns:
      The documents in their order with `tokens`, list<list<token_type>>, one list a span, and
      `key`, string, as `schemas.keys.document_key` names documents. A document that cannot be
      tokenised becomes a rejected one: reason and raw set, the other columns null.

    Raises:
      ValueError: if spans do not tile their document, or cut a character.
    """
    is_used = documents["text"].is_valid().to_numpy()
    used = documents if is_used.all() else documents.filter(pa.array(is_used))
    spans = one_array(used["spans"])
    tokens = _span_tokens(used["source"], one_array(used["text"]), spans, tokenizer)
    nested = pa.ListArray.from_arrays(_list_offsets(spans), tokens)
    tokenized = documents.append_column("tokens", _spread(nested, is_used))
    tokenized = tokenized.append_column("key", _spread(_keys(used), is_used))
    is_lost = np.zeros(len(used), np.bool_)
    is_lost[_parents(spans)[tokens.is_null().to_numpy(zero_copy_only=False)]] = True
    lost = np.zeros(len(documents), np.bool_)
    lost[is_used] = is_lost
    return _reject(tokenized, lost) if lost.any() else tokenized


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as a single array, copied only if it has several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _span_tokens(
    sources: pa.ChunkedArray, texts: pa.Array, spans: pa.ListArray, tokenizer: SegmentTokenizer
) -> pa.ListArray:
    """Tokens of all spans in order, list<token_type> [spans]; null where `encode` gives null."""
    begin = text_offsets(texts)
    flat = spans.flatten()
    base = begin[_parents(spans)]
    starts = base + flat.field("byte_start").to_numpy()
    ends = base + flat.field("byte_end").to_numpy()
    raw = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    _check_tiling(sources, begin, spans, starts, ends, raw)
    # The spans tile the texts, so their texts are the same bytes cut at more places.
    offsets = pa.py_buffer(np.concatenate([starts, begin[-1:]]))
    data = texts.buffers()[2] or pa.py_buffer(b"")
    span_texts = pa.LargeStringArray.from_buffers(len(flat), offsets, data)
    unique = span_texts.dictionary_encode()
    return tokenizer.encode(unique.dictionary).take(unique.indices)


def _check_tiling(
    sources: pa.ChunkedArray,
    begin: Ints,
    spans: pa.ListArray,
    starts: Ints,
    ends: Ints,
    raw: npt.NDArray[np.uint8],
) -> None:
    """Raises ValueError for the first document whose spans leave a gap, overlap or cut a character.

    Args:
      sources: [documents], for the message.
      begin: int64 [documents + 1], where the texts begin in raw.
      spans: list<SPAN> [documents].
      starts: int64 [spans], in raw.
      ends: int64 [spans], in raw.
      raw: uint8, the bytes of all texts.
    """
    parents = _parents(spans)
    # Each span begins where the one before ends, at first where its document does.
    before = np.concatenate([begin[:1], ends[:-1]])
    is_bad = (starts != before) | (ends < starts)
    is_bad[starts_of_runs(parents)] |= (starts != begin[parents])[starts_of_runs(parents)]
    inside = starts < len(raw)
    is_bad[inside] |= raw[starts[inside]] & 0xC0 == 0x80
    bad = set(parents[is_bad].tolist())
    last_ends = np.concatenate([begin[:1], ends])[np.cumsum(list_sizes(spans))]
    bad.update(np.flatnonzero(last_ends != begin[1:]).tolist())
    if bad:
        document = min(bad)
        msg = (
            f"spans of {sources[document].as_py()!r} do not tile its "
            f"{begin[document + 1] - begin[document]} bytes: "
            f"{spans[document].as_py()[:3]}...; offsets are bytes of UTF-8 between characters"
        )
        raise ValueError(msg)


def _spread(values: pa.Array, is_used: npt.NDArray[np.bool_]) -> pa.Array:
    """The values of the used documents, and nulls for the others; nothing copied without these."""
    if is_used.all():
        return values
    return values.take(pa.array(np.cumsum(is_used) - 1, mask=~is_used))


def _keys(documents: pa.Table) -> pa.Array:
    """The key of each document, string; texts are held one at a time."""
    columns = (documents[name] for name in ("source", "text", "id_key"))
    keys = [
        document_key(*(value.as_py() for value in values)) for values in zip(*columns, strict=True)
    ]
    return pa.array(keys, pa.string())


def _reject(tokenized: pa.Table, lost: npt.NDArray[np.bool_]) -> pa.Table:
    """Turns the documents marked in lost, bool [documents], into rejected ones."""
    mask = pa.array(lost)
    texts = [text.as_py().encode() for text in tokenized["text"].filter(mask)]
    columns = {
        "reason": pa.array([UNTOKENISABLE] * len(texts), pa.string()),
        "raw": pa.array([text[:REJECTED_BYTES] for text in texts], pa.binary()),
    }
    for name in ("text", "spans", "tokens", "key"):
        columns[name] = pa.nulls(len(texts), tokenized.schema.field(name).type)
    for name, values in columns.items():
        field = tokenized.schema.field(name)
        # Not replace_with_mask, which does not know lists.
        both = pa.chunked_array([*tokenized[name].chunks, values], field.type)
        places = np.arange(len(lost))
        places[lost] = len(lost) + np.arange(len(texts))
        index = tokenized.schema.get_field_index(name)
        tokenized = tokenized.set_column(index, field, both.take(pa.array(places)))
    return tokenized


def _parents(spans: pa.ListArray) -> Ints:
    """int64 [spans], the document of each span."""
    return np.repeat(np.arange(len(spans)), list_sizes(spans))


def _list_offsets(spans: pa.ListArray) -> pa.Array:
    ends = np.cumsum(list_sizes(spans), dtype=np.int32)
    return pa.array(np.concatenate([np.zeros(1, np.int32), ends]))
