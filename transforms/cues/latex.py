r"""Environments of LaTeX: theorems with proofs, problems with solutions.

What stands in \begin{proof} or \begin{solution} answers the environment that ended right before it
or the one that it stands in; a solution also answers the \question, \part or \item above it. A
solution with a marked final answer reasons up to there, a proof up to the sentence that says what
was shown. What is commented out or shown verbatim is none of this.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import find_final
from transforms.cues.proof import answered
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "latex"

# Apart, because what opens with its mark is found faster than what may do so or not.
_OPENERS = (
    LinePattern(r"\\(?:begin|end)[ \t]*\{", holds="\\"),
    LinePattern(
        r"^[ \t]*\\(?:sub){0,2}(?:question|part|item|Question|newtheorem)\b",
        opens=("\\s", "\\q", "\\p", "\\i", "\\Q", "\\n"),
    ),
)
"""Lines that open or close something."""

_TOKEN = re.compile(
    r"\\(?P<side>begin|end)[ \t]*\{(?P<name>[^{}\n]{1,40})\}"
    r"|^[ \t]*\\(?P<command>(?:sub){0,2}(?:question|part)|Question|item)(?![A-Za-z])"
    r"(?:\[[^\]\n]*\])?"
    r"|\\newtheorem\*?\{(?P<declared>[^{}\n]{1,40})\}"
)
_COMMENT = re.compile(r"(?<!\\)(?:\\\\)*%")
_PROOF = re.compile(
    r"(?:my|the|short)?(?:proof|pf|beweis|preuve|demo|demonstration|dimostrazione"
    r"|prueba|prova)s?\*?",
    re.IGNORECASE,
)
_SOLUTION = re.compile(
    r"(?:my|the)?(?:solutions?|soln?s?|answers?|ans|l(?:oe|ö)sung(?:en)?|loes|solucion|solución"
    r"|soluzione|resposta|respuesta|r[eé]ponse|corrig[eé]|corr|antwort|onlysolution"
    r"|solutionordottedlines|solutionorlines|solutionorbox|EnvUplevel)\*?",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:my|the|main|un|no|s)?(?:th(?:eo?r?e?m|m|eo|eor)|theoreme|théorème|teo(?:rema)?|satz|lem(?:ma|me)?"
    r"|prop(?:osition|osizione|n)?|cor(?:ollary|oll|ol|o)?|claim|fact|obs(?:ervation)?|conj(?:ecture)?"
    r"|fakt|remark|assertion|result)s?\d?\*?(?:\*|no|nn|star)?",
    re.IGNORECASE,
)
# "subquestions" holds the parts of a question, "subproblem" is one.
_PROBLEM = re.compile(
    r"(?!sub\w+s\*?\Z)(?:my|the|def|home|only|sub)?(?:prob(?:lem)?e?|ex(?:er|ercise|ercice|o|ample)?|quest(?:ion)?|qu|task"
    r"|aufgabe|[uü]bung|ejercicio|problema|esercizio|exerc[ií]cio|opgave|work|exam|pergunta)s?\d?\*?",
    re.IGNORECASE,
)
_VERBATIM = re.compile(r"verbatim\*?|lstlisting|minted|Verbatim|alltt|comment|sourcecode")
# Optional arguments, a braced title and a label belong to what opens an environment.
_ARGUMENTS = re.compile(
    r"(?:\s*(?:%[^\n]*\n|\[(?:[^\[\]\n]|\[[^\[\]\n]*\]){0,200}\]|\\label\{[^{}\n]*\}|(?<=[\]}])\{[^{}\n]{0,200}\}))*+"
)
_NOTHING = re.compile(
    r"(?:\s++|(?<!\\)%[^\n]*+|\\(?:label|vspace|vskip|hspace|index|phantomsection)\*?\{[^{}\n]*\}"
    r"|\\(?:noindent|medskip|smallskip|bigskip|par|newpage|pagebreak|qed|ifsolutions?|ifanswers"
    r"|fi|begingroup|endgroup|hfill|indent|clearpage|ifprintanswers)(?![A-Za-z]))*+"
)
_CLOSING = re.compile(
    r"(?:\s|\\(?:qed|qedhere|hfill|square|blacksquare|Box)(?![A-Za-z])|\$|[□■∎])*+$"
)
# Quiz packages call the choices answers.
_CHOICES = re.compile(r"\\(?:bChoices|Ans|item|choice|CorrectChoice|correctchoice|wrong|right)")
_WORD = re.compile(r"\w")
_SIDES = re.compile(r"\\(?P<side>begin|end)[ \t]*\{")
_MAX_GAP_BYTES = 600
_MAX_TEXT_BYTES = 60_000


class _Block(NamedTuple):
    """An environment that begins and ends."""

    name: str
    begin: int
    start: int
    """Byte offset past \\begin{...}."""

    end: int
    close: int
    """Byte offset past \\end{...}."""


class _Token(NamedTuple):
    kind: str
    name: str
    start: int
    end: int
    document: int


def find(candidates: Candidates) -> Sequence[Episode]:
    """Environments that answer others, in the documents of a table."""
    episodes: list[Episode] = []
    tokens: list[_Token] = []
    for token in _read(candidates):
        if tokens and token.document != tokens[-1].document:
            episodes.extend(_pairs(candidates.lines, tokens))
            tokens = []
        tokens.append(token)
    episodes.extend(_pairs(candidates.lines, tokens))
    return episodes


def _read(candidates: Candidates) -> Iterator[_Token]:
    """What opens and closes, in order, comments and verbatim text left out."""
    lines = candidates.lines
    number, texts = candidates.matching(*_OPENERS)
    documents = lines.document_of(number).tolist()
    starts = lines.start[number].tolist()
    hidden, hidden_in = "", -1
    for text, start, document in zip(texts, starts, documents, strict=True):
        comment = _COMMENT.search(text)
        shown = text if comment is None else text[: comment.end() - 1]
        place, seen = start, 0
        for match in _TOKEN.finditer(shown):
            place += len(shown[seen : match.start()].encode())
            at, seen = place, match.start()
            side, name = match["side"], match["name"] or ""
            if hidden and document == hidden_in:
                if side == "end" and name == hidden:
                    hidden = ""
                continue
            if side == "begin" and _VERBATIM.fullmatch(name):
                hidden, hidden_in = name, document
                continue
            kind = side or ("declared" if match["declared"] else "command")
            name = name or match["declared"] or match["command"]
            yield _Token(kind, name, at, at + len(match[0].encode()), document)


def _pairs(lines: Lines, tokens: Sequence[_Token]) -> Iterator[Episode]:
    """The pairs of one document."""
    blocks = _blocks(tokens)
    answers = [
        block
        for block in blocks
        if _answers(block.name)
        and not (block.name.startswith("answers") and _CHOICES.search(_text(lines, *block[2:4])))
    ]
    if not answers:
        return
    declared = {token.name for token in tokens if token.kind == "declared"}
    askers = [block for block in blocks if _asks(block.name, declared)]
    by_end = sorted(askers, key=lambda block: block.close)
    ends = [block.close for block in by_end]
    opened = sorted([*((b.begin, b.start) for b in askers), *_commands(tokens)])
    begins = [begin for begin, _ in opened]
    closes = {block.begin: block.close for block in askers}
    free_from = 0
    for answer in answers:
        if answer.begin < free_from:
            continue
        before = bisect.bisect_right(ends, answer.begin) - 1
        asked = None
        if before >= 0 and ends[before] >= free_from and _is_gap(lines, ends[before], answer.begin):
            asked = (by_end[before].begin, by_end[before].start, by_end[before].end)
        elif (i := bisect.bisect_left(begins, answer.begin) - 1) >= 0 and begins[i] >= free_from:
            begin, start = opened[i]
            # An environment that has ended asks only what follows at once.
            is_open = closes.get(begin, answer.begin) >= answer.begin
            is_open &= _is_balanced(lines, start, answer.begin)
            if is_open and not _PROOF.fullmatch(answer.name):
                asked = (begin, start, answer.begin)
        if asked is None:
            continue
        episode = _episode(lines, asked, answer)
        if episode is not None:
            free_from = episode.end
            yield episode


def _answers(name: str) -> bool:
    return bool(_PROOF.fullmatch(name) or _SOLUTION.fullmatch(name))


def _asks(name: str, declared: set[str]) -> bool:
    if _answers(name):
        return False
    return bool(name in declared or _STATEMENT.fullmatch(name) or _PROBLEM.fullmatch(name))


def _commands(tokens: Sequence[_Token]) -> Iterator[tuple[int, int]]:
    for token in tokens:
        if token.kind == "command":
            yield token.start, token.end


def _blocks(tokens: Sequence[_Token]) -> list[_Block]:
    """The environments that are closed, in the order in which they begin."""
    opened: dict[str, list[_Token]] = {}
    blocks = []
    for token in tokens:
        if token.kind == "begin":
            opened.setdefault(token.name, []).append(token)
        elif token.kind == "end" and opened.get(token.name):
            begin = opened[token.name].pop()
            blocks.append(_Block(token.name, begin.start, begin.end, token.start, token.end))
    return sorted(blocks, key=lambda block: block.begin)


def _text(lines: Lines, start: int, end: int) -> str:
    return str(lines.data[start:end], "utf-8", "ignore")


def _is_balanced(lines: Lines, start: int, end: int) -> bool:
    """Whether no environment ends between two offsets that does not begin there."""
    if end - start > _MAX_TEXT_BYTES:
        return False
    depth = 0
    for match in _SIDES.finditer(_text(lines, start, end)):
        depth += 1 if match["side"] == "begin" else -1
        if depth < 0:
            return False
    return True


def _is_gap(lines: Lines, start: int, end: int) -> bool:
    """Whether nothing is said between two offsets."""
    return end - start <= _MAX_GAP_BYTES and bool(_NOTHING.fullmatch(_text(lines, start, end)))


def _after_arguments(lines: Lines, start: int, end: int) -> int:
    head = "}" + _text(lines, start, min(end, start + 800))
    found = _ARGUMENTS.match(head, 1)
    return start if found is None else start + len(head[1 : found.end()].encode())


def _episode(lines: Lines, asked: tuple[int, int, int], answer: _Block) -> Episode | None:
    begin, start, end = asked
    start, end = trim(lines.data, _after_arguments(lines, start, end), end)
    body = _after_arguments(lines, answer.start, answer.end)
    body, stop = trim(lines.data, body, answer.end)
    if start >= end or body >= stop or answer.close - begin > _MAX_TEXT_BYTES:
        return None
    tail = _text(lines, max(body, stop - 80), stop)
    closing = _CLOSING.search(tail)
    is_proof = _PROOF.fullmatch(answer.name) is not None
    # A proof's own mark is no part of what was shown; the dollars of a formula are.
    if is_proof and closing is not None and "\\" in closing[0]:
        stop -= len(closing[0].encode())
        body, stop = trim(lines.data, body, stop)
    # What is left out ("...") answers nothing.
    if not _WORD.search(_text(lines, body, stop)):
        return None
    final = None if is_proof else find_final(lines, body, stop)
    if final is not None:
        contents: tuple[Content, ...] = (
            Content(SegmentKind.REASONING, 1, body, final.label),
            Content(SegmentKind.ANSWER, 1, final.start, final.end),
        )
    elif is_proof:
        contents = answered(lines, body, stop, is_marked=False)
    else:
        contents = (Content(SegmentKind.ANSWER, 1, body, stop),)
    question = Content(SegmentKind.QUESTION, 0, start, end)
    return Episode(begin, answer.close, (question, *contents), f"\\begin{{{answer.name}}}")


FAMILY = CueFamily(name=GAME, find=find)
