"""Lines that open with a prompt: the kinds that there are, and what stands behind one."""

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.candidates import Candidates, LinePattern
from transforms.lines import Bools, Int64s, Lines

Float64s = npt.NDArray[np.float64]

# What a person would write, not type: sentences, and lines that end like one.
_PROSE = (
    r"(?-u:\b)(?:(?:[A-Z][a-z]+|I)(?:,? [a-z']+){2}|[a-z']+ [a-z']+ [a-z']+ [a-z']+)"
    r"|[a-z][.?!]\s*$"
)
_MAX_PROSE = 0.2
_MAX_LINE_BYTES = 2_000


class PromptKind(NamedTuple):
    """A kind of prompt; regular expressions, anchored by who uses them.

    Attributes:
      prompt: the prompt, without the white space around it.
      typed: how what is typed starts.
      gap: what stands between; possessive, or runs of spaces could be split in every way.
      goes_on: how lines start that are still typed; empty if none are.
      proof: how output starts that proves a session; empty if the prompt does.
    """

    prompt: str
    typed: str = r"\S"
    gap: str = r"[ \t]++"
    goes_on: str = ""
    proof: str = ""


class PromptReader:
    """Tells which kind of prompt opens a line, the first that fits."""

    def __init__(self, kinds: Sequence[PromptKind]) -> None:
        self._match = re.compile(
            r"[ \t]*+(?:"
            + "|".join(
                rf"(?P<k{code}>(?:{kind.prompt})(?:{kind.gap}(?={kind.typed})|(?=\s*\Z)))"
                for code, kind in enumerate(kinds)
            )
            + ")"
        ).match

    def read(self, candidates: Candidates, *patterns: LinePattern) -> "Prompts":
        """The lines that open with a prompt, of those that match one of the patterns."""
        number, text = candidates.matching(*patterns)
        found = []
        for line, start, content in zip(
            number.tolist(), candidates.lines.start[number].tolist(), text.to_list(), strict=True
        ):
            match = self._match(content)
            if match is not None and match.lastgroup is not None:
                typed = start + len(content[: match.end()].encode())
                is_idle = not content[match.end() :].strip()
                found.append((line, typed, int(match.lastgroup[1:]), is_idle))
        columns = np.array(found, np.int64).reshape(-1, 4).T
        return Prompts(columns[0], columns[1], columns[2], columns[3] > 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """Lines that open with a prompt; int64 [n] each, ascending by line.

    Attributes:
      line: number of the line.
      typed: byte offset of what was typed.
      kind: the prompt's kind; a session has one.
      is_idle: bool, whether nothing was typed.
    """

    line: Int64s
    typed: Int64s
    kind: Int64s
    is_idle: Bools

    def where(self, keep: Bools) -> "Prompts":
        """Those for which keep, bool [n], holds."""
        fields = dataclasses.fields(self)
        return Prompts(*(getattr(self, field.name)[keep] for field in fields))


def is_prose(lines: Lines, prompts: Prompts) -> Bools:
    """Bool [n], whether prose stands behind more than a few prompts of the kind in a document.

    Then the mark is a comment's, a quote's or a speaker's.
    """
    prose = pl.Series(lines.matching(prompts.line, _PROSE))
    return per_document(lines, prompts, prose, pl.col("value").mean()) > _MAX_PROSE


def per_document(lines: Lines, prompts: Prompts, value: pl.Series, total: pl.Expr) -> Float64s:
    """float64 [n], a total over the prompts of each one's kind in its document.

    Args:
      lines: of all documents.
      prompts: ascending.
      value: of each prompt, the column "value".
      total: the expression that makes a total of it.
    """
    document = lines.document_of(prompts.line)
    frame = pl.DataFrame({"document": document, "kind": prompts.kind, "value": value})
    totals = frame.select(total.over("document", "kind").cast(pl.Float64).alias("total"))["total"]
    return totals.to_numpy()


def line_bytes(lines: Lines, line: int) -> bytes:
    """The text of a line, with its newline; of a very long one the beginning."""
    start, end = lines.start[line : line + 2].tolist()
    return lines.buffer[start : min(end, start + _MAX_LINE_BYTES)].tobytes()
