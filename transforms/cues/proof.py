"""Theorems and their proofs in plain text and Markdown: the statement asks, the proof answers.

A statement opens a paragraph with its label ("Theorem 3.", "**Lemma** (Euclid):"), its proof is the
next label "Proof." below it. A proof ends with its mark (QED, a box) or, without one, before the
next statement or heading if that is near, else with its paragraph. Where the last sentence is
marked as what was to be shown ("Hence ...", "This proves ...", or a mark of its end), it answers
and the rest reasons; else all of the proof answers.
"""

import bisect
import re
from collections.abc import Iterator, Sequence

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.above import MAX_LINE_BYTES, line_tail, line_text
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.speakers import BREAK
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "proof"

_STATEMENTS = (
    "Theorem|Lemma|Proposition|Corollary|Claim|Satz|Hilfssatz|Korollar|Théorème|Lemme|Corollaire"
    "|Teorema|Lema|Proposición|Corolario|Proposição|Corolário|Proposizione|Corollario|Теорема|Лемма"
    "|Предложение|Следствие|定理|引理|命题|命題|補題|推论|系"
)
_PROOFS = (
    "Proof|Beweis|Démonstration|Preuve|Demostración|Demonstração|Dimostrazione|Доказательство"
    "|証明|证明|證明"
)
_OPEN = r"^[ \t]{0,8}(?:#{1,6}[ \t]+)?[*_]{0,3}"


def _words(words: str) -> str:
    """The words as titles and in capitals."""
    return "|".join(dict.fromkeys([*words.split("|"), *words.upper().split("|")]))


_NUMBER = r"(?:[ \t]*(?:\d+(?:\.\d+)*|[A-Z](?:\.\d+)*|[IVX]+)[a-z]?'?)"
_NAME = r"(?:[*_]{0,3}[ \t]*[(\[（][^()\[\]\n]{1,80}[)\]）])"
STATEMENT = LinePattern(
    rf"{_OPEN}(?:{_words(_STATEMENTS)})(?:{_NUMBER}?{_NAME}?[*_]{{0,3}}[.:：*_\n]|{_NUMBER})",
    words=tuple(_STATEMENTS.split("|")),
)
_OF = r"(?:[ \t]+(?:of|by|sketch|de|del|des?|von|idea)\b[^.:\n]{0,60})?"
PROOF = LinePattern(
    rf"{_OPEN}(?:{_words(_PROOFS)}){_OF}"
    r"[ \t]*[*_]{0,3}(?:[.:：]|[*_]{1,3}|\s*$|。)",
    words=tuple(_PROOFS.split("|")),
)
_STATEMENT = re.compile(
    rf"{_OPEN}(?:{_words(_STATEMENTS)})(?P<number>{_NUMBER}(?![A-Za-z0-9_]))?(?P<name>{_NAME})?"
    r"(?P<close>[ \t]*[*_]{0,3}[.:：]?[*_]{0,3}[ \t]*)(?P<next>.?)"
)
_PROOF = re.compile(
    rf"{_OPEN}(?:{_words(_PROOFS)}){_OF}"
    r"[ \t]*(?:[*_]{0,3}[.:：。][*_]{0,3}|[*_]{1,3}|$)[ \t]*"
)
_END = (
    r"(?:\$?\\(?:square|blacksquare|qed|Box|hfill)\b[^\n]{0,12}|[□■∎◻◼▢]|\bQ\. ?E\. ?D\.?|\bQED"
    r"|\bq\. ?e\. ?d\.|\bw\.z\.b\.w\.|\bch\.t\.d\.|ч\.т\.д\.|証明終|证毕)[)\]}*_.$ \t]*"
)
MARKED = rf"{_END}\s*$"

_MARK = re.compile(rf"(?<![(\[{{*_])[(\[{{*_]*{_END}$")
_OPENER = (
    r"(?:This|That|which) (?:proves|shows|completes|establishes|concludes|finishes|contradicts"
    r"|is (?:a|the desired|what))|(?:[Tt]he )?(?:[Pp]roof|claim|lemma|theorem|result) (?:"
    r"is (?:now )?(?:complete|proved|proven)|follows)|(?:Hence|Thus|Therefore|So|Consequently"
    r"|Accordingly"
    r"|It follows|We conclude|As desired|Damit|Also|Folglich|Somit|Donc|Ainsi|Por (?:lo )?tanto"
    r"|Portanto|Quindi|Поэтому|Следовательно|因此|所以|ゆえに)\b"
)
_CONCLUDES = re.compile(rf"(?:(?:[.!?:;]|\$\$|\\\])[\"')$}}]*\s+|。)(?={_OPENER})")
_SENTENCE = re.compile(r"[.!?][\"')$}]*\s+(?=[A-ZÀ-ÞА-Я\\$])|。")
_PARAGRAPHS = re.compile(r"\S[ \t]*\n[ \t]*(?:\n|[-*+][ \t])")
_TAIL_BYTES = 1_200
_MAX_STATEMENT_BYTES = 4_000
_MAX_PROOF_BYTES = 60_000
_NEAR_BYTES = 3_000


def last_sentence(text: str, *, is_marked: bool) -> int | None:
    """Where the sentence starts that says what was shown; None where none does.

    Args:
      text: a proof's end, without its mark and without white space at its end.
      is_marked: whether a mark of its own closed it, so that any last sentence is the one.

    Example:
      >>> last_sentence("Let n = 2. Hence n is even.", is_marked=False)
      11
      >>> last_sentence("Let n = 2. It is even.", is_marked=False)
      >>> last_sentence("Let n = 2. It is even.", is_marked=True)
      11
    """
    last = None
    for match in _CONCLUDES.finditer(text):
        last = match.end()
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    # What is written in several paragraphs or items, as calculations are, is no sentence.
    if is_marked and ends and not _PARAGRAPHS.search(text, ends[-1]):
        return ends[-1]
    if last is None or any(end > last and text[end:].strip() for end in ends):
        return None
    return last


def answered(lines: Lines, start: int, end: int, *, is_marked: bool) -> tuple[Content, ...]:
    """A proof's contents: its reasoning and the sentence that answers, or all of it as an answer.

    Args:
      lines: of all documents.
      start: byte offset of the proof.
      end: of its end, its mark left out.
      is_marked: whether a mark closed it.
    """
    start, end = trim(lines.data, start, end)
    low = max(start, end - _TAIL_BYTES)
    tail = str(lines.data[low:end], "utf-8", "ignore")
    at = last_sentence(tail, is_marked=is_marked)
    whole = (Content(SegmentKind.ANSWER, 1, start, end),)
    if at is None:
        return whole
    split = end - len(tail[at:].encode())
    if trim(lines.data, start, split)[0] >= split or split >= end:
        return whole
    return (
        Content(SegmentKind.REASONING, 1, start, split),
        Content(SegmentKind.ANSWER, 1, split, end),
    )


def find(candidates: Candidates) -> Sequence[Episode]:
    """Statements with the proofs below them."""
    proofs, _ = candidates.matching(PROOF)
    if len(proofs) == 0:
        return []
    lines = candidates.lines
    opened = dict(_statements(candidates))
    hopeful = np.flatnonzero(~lines.is_blank & lines.shares_document(proofs))
    marks, _ = candidates.among(hopeful, MARKED)
    breaks, _ = candidates.matching(BREAK)
    titles = np.array([heading.first_line for heading in candidates.outline], np.int64)
    # "= (app b a)" is a step of a calculation.
    steps, _ = candidates.among(titles, r"^[ \t]*=[ \t]")
    stops = sorted(
        {*opened, *breaks.tolist(), *proofs.tolist(), *titles.tolist()} - {*steps.tolist()}
    )
    episodes = []
    for proof, document in zip(proofs.tolist(), lines.document_of(proofs).tolist(), strict=True):
        at = bisect.bisect_left(stops, proof)
        statement = stops[at - 1] if at else -1
        if statement not in opened or statement < lines.first_line[document]:
            continue
        limit = int(lines.first_line[document + 1])
        limit = min(limit, stops[at + 1]) if at + 1 < len(stops) else limit
        mark = int(marks[m]) if (m := int(marks.searchsorted(proof))) < len(marks) else limit
        episode = _episode(lines, (statement, opened[statement]), proof, limit, mark)
        if episode is not None:
            episodes.append(episode)
    return episodes


def _statements(candidates: Candidates) -> Iterator[tuple[int, int]]:
    """The lines that open statements, each with the byte offset of what is stated."""
    lines = candidates.lines
    number, texts = candidates.matching(STATEMENT)
    opens, starts = lines.opens[number].tolist(), lines.start[number].tolist()
    for line, text, is_head, start in zip(number.tolist(), texts, opens, starts, strict=True):
        match = _STATEMENT.match(text[:MAX_LINE_BYTES].rstrip("\r\n"))
        if match is None or not (is_head or text.startswith("#")):
            continue
        # "Theorem 3 shows that" goes on about one.
        is_closed = match["close"].strip() != "" or match["name"] or not match["next"]
        if is_closed or (match["number"] and not match["next"].islower()):
            yield line, start + len(text[: match.start("next")].encode())


def _episode(
    lines: Lines, statement: tuple[int, int], proof: int, limit: int, mark: int
) -> Episode | None:
    """The statement with its proof.

    Args:
      lines: of all documents.
      statement: its line and the byte offset of what is stated.
      proof: the line of the proof's label.
      limit: the line that the proof ends before.
      mark: the first line from `proof` on that ends in a mark.
    """
    line, start = statement
    head = _PROOF.match(line_text(lines, proof))
    proof_at = int(lines.start[proof])
    if head is None or not 0 < proof_at - start <= _MAX_STATEMENT_BYTES:
        return None
    body = proof_at + len(head[0].encode())
    opening = int(lines.content_start[line])
    question = Content(SegmentKind.QUESTION, 0, start, proof_at)
    if mark < limit:
        close = int(lines.start[mark + 1])
        tail = line_tail(lines, mark)
        marked = _MARK.search(tail)
        end = close if marked is None else _line_end(lines, mark) - _size(tail, marked.start())
    else:
        close = end = int(lines.start[_unmarked_end(lines, proof, body, limit)])
    if trim(lines.data, body, end)[0] >= end or end - body > _MAX_PROOF_BYTES:
        return None
    contents = answered(lines, body, end, is_marked=mark < limit)
    return Episode(opening, close, (question, *contents), head[0].strip(" \t#*_"))


def _line_end(lines: Lines, line: int) -> int:
    """Byte offset of the end of a line, its white space left out."""
    return trim(lines.data, int(lines.start[line]), int(lines.start[line + 1]))[1]


def _size(text: str, start: int) -> int:
    return len(text[start:].encode())


def _unmarked_end(lines: Lines, proof: int, body: int, limit: int) -> int:
    """The line after a proof without a mark: the next stop if it is near, else a paragraph's."""
    if int(lines.start[limit]) - body <= _NEAR_BYTES:
        return limit
    first = (
        proof
        if trim(lines.data, body, int(lines.start[proof + 1]))[0] < _line_end(lines, proof)
        else lines.filled_after(proof)
    )
    return min(lines.blank_from(first), limit)


FAMILY = CueFamily(name=GAME, find=find)
