"""Sessions at a prompt: what is typed asks, what is printed below answers.

What families of prompts share. A family says which lines open with a prompt and which lines below
one are still typed; here examples are cut out, and adjacent ones joined to sessions.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import Content, Episode
from transforms.cues.prompts import Prompts, line_bytes
from transforms.lines import Bools, Int64s, Lines

# What closes what surrounds a session.
_CLOSER = LinePattern(
    r"^[ \t]*(?:\"\"\"|'''|</(?:pre|code|programlisting|screen)>|\*/|=cut\b|[$%>]\s*$)",
    opens=('""', "''", "</", "*/", "=c", *"$%>"),
)
# Comments between examples, where they open a paragraph.
_COMMENT = LinePattern(r"^[ \t]*#[ \t]+\S", opens=("# ", "#\t"))
# What declares a reference: a man page's first section, what a reStructuredText page documents.
_REFERENCE = LinePattern(
    r"^NAME\s*$|^\.\. (?:\w+:)?(?:module|currentmodule|function|class|method|data|program)::",
    opens=("NAME", ".. "),
)

_EXAMPLES = r"^EXAMPLES?[^a-z]*$"
# A page that teaches by sessions shows them this often; a reference shows one now and then.
_MIN_ANSWERED = 3
_MAX_BYTES_PER_ANSWER = 4_000
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_FENCES = LinePattern(r"^[ \t]*(?:```|~~~)", opens="`~")
_SHOWS = re.compile(rb":\s*\Z|\A\s*\.\. [\w-]+::[^\n]*\s*\Z")
_MAX_INDENT = 40
_NOT_OUTPUT = (b"#", b":")

NOT_TAUGHT = "no code stands there, or the document does not teach by sessions"
"""Why a prompt opens no session."""

TypedEnd = Callable[[Lines, int, int, int], int]
"""From an example's first line, the kind of its prompt and the line where it ends at the latest:
the line after the last that was typed."""


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """One prompt each with what was typed and printed; [n] each, ascending.

    Attributes:
      prompts: of the examples.
      output: int64, the line after the last that was typed.
      printed: int64, byte offset of what was printed.
      end: int64, the line after the last printed; equal to output where nothing is printed.
      opens: bool, whether a session starts.
      is_placed: bool, whether the session starts where code does: alone, deeper, below a colon,
        or in a fence.
      is_shown: bool, whether it stands in a block of code: fenced, or below a colon and deeper.
    """

    prompts: Prompts
    output: Int64s
    printed: Int64s
    end: Int64s
    opens: Bools
    is_placed: Bools
    is_shown: Bools

    def sessions(self) -> Iterator[slice]:
        """The rows of each session."""
        starts = [*np.flatnonzero(self.opens).tolist(), len(self.opens)]
        return (slice(low, high) for low, high in itertools.pairwise(starts))


class Fences:
    """The fenced blocks of all documents; a fence that is never closed fences nothing."""

    def __init__(self, candidates: Candidates) -> None:
        number, text = candidates.matching(_FENCES)
        documents = candidates.lines.document_of(number).tolist()
        # A run of "~" right below a title underlines it.
        may_open = candidates.lines.opens[number] | text.str.contains("`").to_numpy()
        opened: tuple[int, int, str] | None = None
        pairs = []
        rows = zip(number.tolist(), documents, may_open.tolist(), text.to_list(), strict=True)
        for line, document, may, content in rows:
            match = _FENCE.match(content)
            if match is None:
                continue
            if opened is None or opened[1] != document:
                opened = (line, document, match[1]) if may else None
            elif match[1].startswith(opened[2]) and not content[match.end() :].strip():
                pairs.append((opened[0], line))
                opened = None
        self.first, self.last = np.array(pairs, np.int64).reshape(-1, 2).T

    def around(self, line: Int64s) -> tuple[Int64s, Int64s]:
        """The lines that open and close the block around each line, int64 [n]; -1 outside."""
        place = np.searchsorted(self.first, line) - 1
        if len(self.first) == 0:
            return np.full(len(line), -1), np.full(len(line), -1)
        inside = (place >= 0) & (self.last[place] > line)
        return np.where(inside, self.first[place], -1), np.where(inside, self.last[place], -1)


def read_examples(
    candidates: Candidates,
    prompts: Prompts,
    typed_end: TypedEnd,
    printed: LinePattern | None = None,
) -> Examples:
    """What was typed at each prompt and what was printed below.

    Args:
      candidates: all lines.
      prompts: ascending.
      typed_end: tells what was typed.
      printed: of labels of what is printed, if there are any; a blank line above one ends
        no output.
    """
    lines = candidates.lines
    prompts = prompts.where(lines.indent[prompts.line] <= _MAX_INDENT)
    line = prompts.line
    opening, closing = candidates.once(Fences).around(line)
    block, dedent = _blocks(lines, line)
    is_shown = (opening >= 0) | _shows(lines, prompts, block)
    labels, sizes = _labels(candidates, printed)
    limit = np.where(is_shown, lines.n_lines, _next_blank(lines, line, labels))
    limit = np.minimum(limit, np.where(opening >= 0, closing, dedent))
    limit = np.minimum(limit, lines.first_line[1:][lines.document_of(line)])
    limit = np.minimum(limit, np.append(line[1:], lines.n_lines)[: len(line)])
    stops = np.append(_stops(candidates), lines.n_lines)
    limit = np.minimum(limit, stops[np.searchsorted(stops, line, side="right")])
    limit = np.where(prompts.is_idle, line + 1, limit)
    output = _typed_ends(lines, prompts, limit, typed_end)
    first = lines.next_filled(output - 1)
    end = np.where(first < limit, limit, output)
    sizes = np.append(sizes, 0)[_places(labels, first)]
    opens = _opens(lines, prompts, end, opening)
    is_placed = (opening >= 0) | _is_placed(lines, line)
    return Examples(
        prompts,
        output,
        lines.start[np.where(sizes > 0, first, output)] + sizes,
        end,
        opens,
        is_placed[np.flatnonzero(opens)][np.cumsum(opens) - 1],
        is_shown,
    )


def _labels(candidates: Candidates, printed: LinePattern | None) -> tuple[Int64s, Int64s]:
    """The lines that open with a label of what is printed, and the label's bytes; int64 [n]."""
    if printed is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    labels, texts = candidates.matching(printed)
    size = texts.str.extract(f"({printed.pattern})", 1).str.len_bytes()
    return labels, size.to_numpy().astype(np.int64)


def _places(labels: Int64s, line: Int64s) -> Int64s:
    """int64 [n], which of the labels stands in each line; -1 where none does."""
    place = np.minimum(np.searchsorted(labels, line), max(len(labels) - 1, 0))
    if len(labels) == 0:
        return np.full(len(line), -1)
    return np.where(labels[place] == line, place, -1)


def _next_blank(lines: Lines, line: Int64s, labels: Int64s) -> Int64s:
    """int64 [n], the blank line that ends each example; not one above a label of output."""
    blank = lines.next_blank(line)
    following = lines.next_filled(blank)
    return np.where(_places(labels, following) >= 0, lines.next_blank(following), blank)


def _opens(lines: Lines, prompts: Prompts, end: Int64s, opening: Int64s) -> Bools:
    """Bool [n], whether each example starts a session: something else stands before it."""
    line, opens = prompts.line, np.ones(len(end), np.bool_)
    document, indent = lines.document_of(line), lines.indent[line]
    opens[1:] = (
        (lines.next_filled(end - 1)[:-1] != line[1:])
        | (prompts.kind[1:] != prompts.kind[:-1])
        | (indent[1:] != indent[:-1])
        | (document[1:] != document[:-1])
        | (opening[1:] != opening[:-1])
    )
    return opens


def _blocks(lines: Lines, line: Int64s) -> tuple[Int64s, Int64s]:
    """For each line the last one above and the first one below that are less indented.

    -1 and n_lines where there is none. Lines that are not indented stand in no block.
    """
    above, below = np.full(len(line), -1), np.full(len(line), lines.n_lines)
    indent = lines.indent[line]
    near = np.flatnonzero(lines.shares_document(line[indent > 0]) & ~lines.is_blank)
    near_indent = lines.indent[near]
    for columns in np.unique(indent[indent > 0]).tolist():
        which = np.flatnonzero(indent == columns)
        shallow = near[near_indent < columns]
        place = np.searchsorted(shallow, line[which])
        above[which] = np.append(-1, shallow)[place]
        below[which] = np.append(shallow, lines.n_lines)[place]
    # A block does not reach over a document's start; its end is looked at elsewhere.
    above[above < lines.first_line[lines.document_of(line)]] = -1
    return above, below


def _shows(lines: Lines, prompts: Prompts, block: Int64s) -> Bools:
    """Bool [n], whether each prompt's block is code that a colon or a directive above announces.

    Its first line is a prompt, a comment or the directive's option, else it may be prose.
    """
    shows = np.zeros(len(block), np.bool_)
    first = lines.next_filled(block)
    leads = np.isin(first, prompts.line)
    known: dict[int, bool] = {}
    for i in np.flatnonzero(block >= 0).tolist():
        above = int(block[i])
        if above not in known:
            mark = lines.buffer[lines.content_start[first[i]] :][:1].tobytes()
            known[above] = (leads[i] or mark in _NOT_OUTPUT) and (
                _SHOWS.search(line_bytes(lines, above)) is not None
            )
        shows[i] = known[above]
    return shows


def _stops(candidates: Candidates) -> Int64s:
    """The lines that no output goes past, ascending."""
    closers, _ = candidates.matching(_CLOSER, _FENCES)
    comments = candidates.passing(_COMMENT)
    comments = comments[candidates.lines.opens[comments]]
    comments, _ = candidates.among(comments, _COMMENT.pattern)
    return np.sort(np.concatenate([closers, comments]))


def _is_placed(lines: Lines, line: Int64s) -> Bools:
    """Bool [n], whether each stands alone, deeper than the line above, or below a colon."""
    above = np.maximum(line - 1, 0)
    ends = lines.matching(above, r":\s*$")
    is_placed: Bools = lines.opens[line] | (lines.indent[line] > lines.indent[above]) | ends
    return is_placed


def _typed_ends(lines: Lines, prompts: Prompts, limit: Int64s, typed_end: TypedEnd) -> Int64s:
    rows = zip(prompts.line.tolist(), prompts.kind.tolist(), limit.tolist(), strict=True)
    return np.array([typed_end(lines, line, kind, end) for line, kind, end in rows], np.int64)


def as_episode(lines: Lines, examples: Examples, rows: slice, cue: str) -> list[Episode]:
    """A session as an episode; none where nothing is printed.

    A command that prints nothing belongs to the next one's question.
    """
    contents: list[Content] = []
    opened: int | None = None
    columns = (examples.prompts.typed, examples.output, examples.printed, examples.end)
    is_idle = examples.prompts.is_idle[rows].tolist()
    for i, example in enumerate(zip(*(column[rows].tolist() for column in columns), strict=True)):
        typed, output, printed, end = example
        if not is_idle[i]:
            opened = typed if opened is None else opened
        if output == end or opened is None:
            continue
        asked, turn = int(lines.start[output]), len(contents)
        contents.append(Content(SegmentKind.QUESTION, turn, opened, asked))
        contents.append(Content(SegmentKind.ANSWER, turn + 1, printed, int(lines.start[end])))
        opened = None
    if not contents:
        return []
    first = int(lines.content_start[examples.prompts.line[rows.start]])
    return [Episode(first, contents[-1].end, tuple(contents), cue)]


def is_taught(candidates: Candidates, examples: Examples, is_sure: Bools) -> Bools:
    """Bool [n], whether each example's document teaches by sessions.

    They are many for its size, and it is no reference manual: there only a section of examples
    counts, what is shown elsewhere belongs to the text around it.

    Args:
      candidates: all lines.
      examples: ascending.
      is_sure: bool [n], those that count.
    """
    lines, line = candidates.lines, examples.prompts.line
    document = lines.document_of(line)
    n_documents = len(lines.first_line) - 1
    is_answered = is_sure & (examples.output < examples.end)
    n_answered = np.bincount(document[is_answered], minlength=n_documents)
    size_bytes = np.diff(lines.document_start)
    is_dense = (n_answered >= _MIN_ANSWERED) & (size_bytes <= n_answered * _MAX_BYTES_PER_ANSWER)
    references, _ = candidates.matching(_REFERENCE)
    is_reference = np.zeros(n_documents, np.bool_)
    is_reference[lines.document_of(references)] = True
    taught: Bools = is_dense[document]
    in_reference = is_reference[document]
    taught[in_reference] = in_examples(lines, line[in_reference])
    return taught


def in_examples(lines: Lines, line: Int64s) -> Bools:
    """Bool [n], whether each line stands in a manual's section of examples, and is indented."""
    is_flush = (lines.indent == 0) & ~lines.is_blank
    flush = np.flatnonzero(is_flush & lines.shares_document(line))
    if len(flush) == 0:
        return np.zeros(len(line), np.bool_)
    above = flush[np.maximum(np.searchsorted(flush, line) - 1, 0)]
    is_examples = lines.matching(above, _EXAMPLES)
    is_near = (above >= lines.first_line[lines.document_of(line)]) & (above < line)
    is_within: Bools = is_examples & is_near
    return is_within


def as_episodes(
    lines: Lines, examples: Examples, keep: Bools, cues: Sequence[str]
) -> Iterator[Episode]:
    """Sessions as episodes, with the cue of their kind.

    Args:
      lines: of all documents.
      examples: of all sessions.
      keep: bool [n]; a session is kept for its first example.
      cues: what fired, by kind.
    """
    for rows in examples.sessions():
        if keep[rows.start]:
            cue = cues[int(examples.prompts.kind[rows.start])]
            yield from as_episode(lines, examples, rows, cue)
