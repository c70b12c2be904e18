"""Segmentation: which bytes of a document are a question, reasoning, an answer or neither.

Families look at the lines that match their patterns, and what they propose is resolved and tiled.
Segmentation is lossless: a document's spans tile its bytes.
"""

import itertools

import numpy as np
import pyarrow as pa

from schemas.episode import SPAN
from transforms.candidates import Candidates, Refusal
from transforms.cues import FAMILIES
from transforms.episodes import KINDS, Records, as_records, opens_episode, resolve, tile
from transforms.lines import Bools, Int64s, Lines, split_lines

OUTRANKED = "inside another episode, or empty"
"""Why what a family found is no episode of its own."""


def segment_documents(documents: pa.Table) -> pa.Table:
    """Adds the spans of every document.

    Args:
      documents: `schemas.DOCUMENTS`.

    Returns:
      The table with one more column, `spans`: list<SPAN>. It is null for a rejected document,
      else tiles the document's bytes. Spans depend on the document's text alone.
    """
    lines = split_lines(documents["text"])
    candidates = Candidates(lines)
    proposed = [candidates.once(family.find) for family in FAMILIES]
    stretches, contents = resolve(lines, *as_records(proposed))
    spans = tile(lines, stretches, contents)
    cues = [episode.cue for found in proposed for episode in found]
    values = _span_array(lines, spans, stretches, pa.array(cues, pa.string()))
    offsets = np.searchsorted(spans["start"], lines.document_start)
    is_rejected = documents["text"].is_null()
    mask = pa.concat_arrays(is_rejected.chunks) if is_rejected.num_chunks else None
    column = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values, type=pa.list_(SPAN), mask=mask
    )
    return documents.append_column("spans", column)


def refusals(text: pa.ChunkedArray) -> list[Refusal]:
    """Why lines open no episode, of all that a family looked at closely.

    Args:
      text: large_string [n_documents]; null counts as empty.
    """
    lines = split_lines(text)
    candidates = Candidates(lines)
    proposed = [candidates.once(family.find) for family in FAMILIES]
    stretches, _ = resolve(lines, *as_records(proposed))
    kept = set(stretches["proposal"].tolist())
    ordinals = itertools.count()
    for family, found in zip(FAMILIES, proposed, strict=True):
        lost = [episode.start for episode in found if next(ordinals) not in kept]
        line = np.searchsorted(lines.start, np.array(lost, np.int64), side="right") - 1
        candidates.refuse(line, family.name, OUTRANKED)
    return candidates.refusals


def _span_array(
    lines: Lines, spans: Records, stretches: Records, cues: pa.StringArray
) -> pa.StructArray:
    """SPAN [n_spans], with byte offsets counted from each document's start.

    Args:
      lines: of the documents.
      spans: SPAN_RECORD [n_spans].
      stretches: STRETCH [n_stretches].
      cues: string [n_proposed].
    """
    document = np.searchsorted(lines.document_start, spans["start"], side="right") - 1
    origin = lines.document_start[document]
    outside = spans["stretch"] < 0
    # One more row, which -1 finds, stands for what is outside.
    family = np.append(stretches["family"], len(FAMILIES))[spans["stretch"]]
    proposal = np.append(stretches["proposal"], -1)[spans["stretch"]]
    is_first = opens_episode(stretches)
    ordinal = np.zeros(len(cues) + 1, np.int64)
    ordinal[stretches["proposal"][is_first]] = np.arange(is_first.sum())
    first_episode = np.searchsorted(stretches["start"][is_first], origin)
    games = pa.array([*(family.name for family in FAMILIES), "text"])
    columns = {
        "kind": pa.array(KINDS, pa.string()).take(pa.array(spans["kind"])),
        "player": spans["player"],
        "game": games.take(pa.array(family)),
        "episode": _where_inside(ordinal[proposal] - first_episode, outside),
        "turn": _where_inside(spans["turn"], outside),
        "byte_start": spans["start"] - origin,
        "byte_end": spans["end"] - origin,
        "cue": cues.take(_where_inside(proposal, outside)),
    }
    arrays = [pa.array(columns[field.name], field.type) for field in SPAN]
    return pa.StructArray.from_arrays(arrays, fields=list(SPAN))


def _where_inside(values: Int64s, outside: Bools) -> pa.Array:
    """int32 [n], null outside episodes."""
    return pa.array(values, pa.int32(), mask=outside)
