"""Entries of a table of contents: what stands there is listed again further down.

An entry is no question with an answer, however it is numbered or indented and whatever stands below
it: its question counts once, where its answer is.
"""

import numpy as np
import polars as pl

from transforms.lines import Bools, Int64s, Lines

# A number, a bullet, a label: what an entry and its heading may write in different ways.
_LEAD = r"^(?:[\W\d_]|(?:Q|Question|Subject) ?\d*[.:)])+"
# Leaders and the number of a page.
_TRAIL = r"(?:[\s.…*_]+\d+)?[\s*_]*$"
_MAX_BYTES = 400
# An entry need not break where its heading does.
_BEGINNING = 30


def is_relisted(lines: Lines, first: Int64s, last: Int64s) -> Bools:
    """Bool [n], whether each block of lines is an entry of a table of contents.

    It is if it stands again further down in its document, and so does what stands right above or
    right below it, while there something else stands below it: a list of questions with its answers
    may stand in a document twice.

    Args:
      lines: of all documents.
      first: int64 [n], the first line of each block, ascending.
      last: int64 [n], the last line of each.
    """
    if len(first) < 2:
        return np.zeros(len(first), np.bool_)
    document = lines.document_of(first)
    number = _filled(lines, np.unique(document))
    text = _said(lines.texts(number))
    of_line = lines.document_of(number)
    again, begins_again = (
        _last(of_line, each, np.arange(len(number)))
        for each in (text, text.str.slice(0, _BEGINNING))
    )
    place = np.searchsorted(number, first)
    above, below = place - 1, np.searchsorted(number, last + 1)
    block = _said(lines.slices(lines.start[first], lines.start[last + 1]))
    further = np.maximum(again[place], place[_last(document, block, np.arange(len(first)))])
    # What stands beyond the document says nothing.
    text, of_line = text.append(pl.Series([""])), np.append(of_line, -1)
    begins_again = np.append(begins_again, -1)
    above, below, below_further = (
        np.where(of_line[np.clip(each, -1, len(number))] == document, each, -1)
        for each in (above, below, further + (below - place))
    )
    said_below, said_further = (text.gather(each % len(text)) for each in (below, below_further))
    goes_on_otherwise = (said_below != said_further).to_numpy()
    is_beside = np.any(
        [(each >= 0) & (begins_again[each] > each) for each in (above, below)], axis=0
    )
    found: Bools = (further > place) & goes_on_otherwise & is_beside
    return found


def _filled(lines: Lines, documents: Int64s) -> Int64s:
    """int64 [m], the lines of some documents that are not blank."""
    bounds = np.searchsorted(lines.filled, lines.first_line[[documents, documents + 1]])
    at = [lines.filled[low:high] for low, high in bounds.T.tolist()]
    return np.concatenate(at)


def _said(text: pl.Series) -> pl.Series:
    """String [m], texts on one line, without what numbers and sets them."""
    short = text.str.slice(0, _MAX_BYTES).str.replace_all(r"\s+", " ")
    return short.str.replace(f"(?i){_LEAD}", "").str.replace(_TRAIL, "").str.to_lowercase()


def _last(document: Int64s, text: pl.Series, ordinal: Int64s) -> Int64s:
    """int64 [m], the ordinal of the last in its document that says the same.

    Rules and fences say nothing.
    """
    frame = pl.DataFrame({"document": document, "text": text, "at": ordinal})
    at = pl.when(pl.col("text") != "").then(pl.col("at").max().over("document", "text"))
    return frame.select(at.otherwise("at").alias("at"))["at"].to_numpy()
