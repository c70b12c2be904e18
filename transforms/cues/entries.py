"""Numbered entries beside questions: lists of things to do, and where a number counts on."""

import bisect

import numpy as np
import polars as pl

from transforms.candidates import DIGITS, Candidates, LinePattern
from transforms.cues.blocks import Questions
from transforms.lines import Bools, Int64s

_ENTRY = LinePattern(
    r"^[ \t]{0,12}[\[(#]?\d{1,3}(?:\.\d{1,3}){0,3}[a-z]?[.):\]]{0,2}(?:[ \t]+\S|\s*$)",
    opens=(*DIGITS, *(mark + digit for mark in "[(#" for digit in DIGITS)),
)
"""Lines that open with a number, or hold nothing else: entries of a list, or numbered titles."""
_COUNTED = r"^[ \t]*\d{1,3}[a-z]?[.):][ \t]+\S"
"""Entries whose number surely counts, whatever they open with: "12) -x?"."""


def is_entry(candidates: Candidates, questions: Questions) -> Bools:
    """Bool [n], whether each is an entry of a numbered list of things to do.

    More of its entries have nothing below them, and do not ask, than ask. An entry's number may
    stand in the line above it, alone.
    """
    lines = candidates.lines
    number, _ = candidates.matching(_ENTRY)
    number = number[lines.opens[number]]
    is_alone = lines.matching(number, r"^\D*\d+\W*$")
    is_counted = lines.matching(number, _COUNTED)
    filled = np.searchsorted(lines.filled, questions.line) - 1
    above = lines.filled[np.maximum(filled, 0)]
    is_below = np.isin(above, number[is_alone]) & (filled >= 0)
    is_below &= lines.document_of(above) == questions.document
    head = np.where(is_below, above, questions.line)
    is_headed = np.isin(head, number) & (is_below | (questions.number > 0))
    is_headed |= np.isin(head, number[is_counted])
    asks = is_headed & (questions.is_marked | questions.opens_asking)
    question_key = questions.document * 256 + np.minimum(lines.indent[head], 255)
    key = lines.document_of(number) * 256 + np.minimum(lines.indent[number], 255)
    is_near = np.isin(key, question_key[asks])
    number, alone = number[is_near], is_alone[is_near]
    # What a table of contents lists comes again.
    shown = lines.texts(number).str.replace_all(r"\s+", " ")
    paragraph = pl.Series(np.searchsorted(lines.openers, number))
    frame = pl.DataFrame({"key": key[is_near], "alone": alone, "shown": shown})
    frame = frame.with_columns(paragraph=paragraph, asks=pl.Series(np.isin(number, head[asks])))
    is_new = pl.col("alone") | (pl.len().over("key", "shown") == 1)
    # Below an entry without a body stands the next; below a bare number, one paragraph.
    n_below = pl.col("paragraph").shift(-1).over("key") - pl.col("paragraph")
    is_bodyless = (n_below <= 1 + pl.col("alone").cast(pl.Int64)) & ~pl.col("asks") & is_new
    bodyless = frame.filter(is_bodyless)["key"].to_numpy()
    counted, n_bodyless = np.unique(bodyless, return_counts=True)
    asking, n_asking = np.unique(question_key[asks], return_counts=True)
    n_asked = np.zeros(len(counted), np.int64)
    known = np.isin(counted, asking)
    n_asked[known] = n_asking[np.searchsorted(asking, counted[known])]
    is_entry: Bools = is_headed & np.isin(question_key, counted[known & (n_bodyless > n_asked)])
    return is_entry


def next_entries(candidates: Candidates, questions: Questions) -> Int64s:
    """int64 [n], the line of the entry that counts on from each numbered question.

    It has the same indentation and stands alone, and need not ask; n_lines where there is none.
    """
    lines = candidates.lines
    number, text = candidates.matching(_ENTRY)
    count = text.str.extract(r"^\D*(\d[\d.]*)", 1).str.strip_chars_end(".")
    count = count.set(~pl.Series(lines.opens[number] & lines.closes[number]), "")
    indents = np.minimum(lines.indent[number], 255).tolist()
    documents = lines.document_of(number).tolist()
    places: dict[tuple[int, int, str], list[int]] = {}
    for key, line in zip(zip(documents, indents, count, strict=True), number.tolist(), strict=True):
        places.setdefault(key, []).append(line)
    own = lines.texts(questions.line).str.extract(r"^\W*(?:Subject:|FAQ)?\W*(\d[\d.]*)", 1)
    own = own.fill_null("").str.strip_chars_end(".")
    found = np.full(len(questions.line), lines.n_lines)
    rows = (questions.document, np.minimum(questions.indent, 255), questions.body)
    for i, (mark, document, indent, body) in enumerate(
        zip(own, *(each.tolist() for each in rows), strict=True)
    ):
        if mark and questions.number[i] > 0:
            before, dot, last = mark.rpartition(".")
            key = (document, indent, f"{before}{dot}{int(last) + 1}")
            below = places.get(key, [])
            at = bisect.bisect_right(below, body)
            found[i] = below[at] if at < len(below) else lines.n_lines
    return found
