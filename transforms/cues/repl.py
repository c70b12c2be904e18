"""Transcripts of interpreters other than Python's: "julia> ", "irb(main):001> ", "sqlite> ".

A prompt that names its program is unmistakable. One that is a mere mark must be proved: ">" by
typed code and R's "[1]" or a block of code around it, ">>" by Ruby's "=>", "#" by OCaml's ";;".
Any other word before ">" is a prompt if the document teaches by it and what is typed is no prose.
"""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.candidates import LETTERS, Candidates, LinePattern
from transforms.cues.family import CueFamily, Episode
from transforms.cues.prompts import (
    PromptKind,
    PromptReader,
    Prompts,
    is_prose,
    line_bytes,
    per_document,
)
from transforms.cues.sessions import NOT_TAUGHT, Examples, as_episodes, is_taught, read_examples
from transforms.cues.typed_code import TypedCode
from transforms.lines import Bools, Lines

GAME = "repl"


# Calls, assignments, operators between operands, names and literals alone.
_CODE = (
    r"(?:[\w.]+[ \t]*(?:[\[(=$@]|<-|:=|\|>|;)|[\w.]+(?:[+*/^:]|::)\w"
    r"|[\w.]+[ \t]+[-+*/^%|&<>=]{1,3}[ \t]+\S|[\w.]+\s*$|[(\[{#!\"'`/]"
    r"|(?:var|let|const|await|new|library|function)\b)"
)
_MARK, _ANY = ">", "word>"
_KINDS: dict[str, PromptKind] = {
    "julia>": PromptKind(r"julia>"),
    "irb>": PromptKind(
        r"(?:(?:irb|pry)(?:\([^()\n]*\))?(?::\d+)*(?::\d+)?>|\[\d+\] pry\([^()\n]*\)>)",
        goes_on=r"(?:irb|pry)(?:\([^()\n]*\))?(?::\d+)*[*\"'][ \t]",
    ),
    ">>": PromptKind(r">>", goes_on=r"\?>[ \t]", proof=r"=>[ \t]"),
    "sql>": PromptKind(
        r"(?:sqlite>|mysql>|MariaDB \[[^\]\n]*\]>|SQL>|[a-z_]\w*=[#>])",
        goes_on=r"(?:\.\.\.>|[-'\"`]>|[a-z_]\w*[-('\"][#>]|\d{1,3}[ \t])",
    ),
    "(gdb)": PromptKind(r"\((?:gdb|lldb|Pdb|pdb|rdb:\d+|dlv|jdb|kgdb)\)", goes_on=r">"),
    "ghci>": PromptKind(
        r"(?:ghci|Prelude(?:[ \t][A-Z][\w.]*)*|\*[A-Z][\w.]*(?:[ \t]\*?[A-Z][\w.]*)*|λ)>",
        goes_on=r"(?:ghci|Prelude[^\n|]{0,60}|\*[A-Z][\w.]*)\|",
    ),
    "In [1]:": PromptKind(r"In \[\d+\]:", goes_on=r"\.{3,8}:"),
    "scala>": PromptKind(r"scala>", goes_on=r"\|"),
    "jshell>": PromptKind(r"jshell>", goes_on=r"\.\.\.>"),
    "iex>": PromptKind(r"iex(?:\([^()\n]*\))?>", goes_on=r"\.\.\.(?:\(\d+\))?>"),
    "(%i1)": PromptKind(r"\(%i\d+\)", proof=r"\(%[ot]\d+\)|\n"),
    "octave:1>": PromptKind(r"octave(?:\.exe)?:\d+>", goes_on=r">"),
    "ocaml #": PromptKind(
        r"#", r"[^\n]*;;\s*$", proof=r"(?:-|val|type|module|exception|Error)[ \t:]"
    ),
    "?-": PromptKind(
        r"(?:\[(?:trace|debug)\][ \t]*)?\d*[ \t]?\?-",
        r"[^\n]*\.\s*(?:%[^\n]*)?$",
        goes_on=r"\|:?[ \t]",
    ),
    "1>": PromptKind(r"\d{1,4}>", r"[^\n]*[.,]\s*$"),
    "user=>": PromptKind(r"[a-z][\w.-]*=>", r"[(\[{:\"'\w]"),
    _MARK: PromptKind(r">", goes_on=r"\+[ \t]", proof=r"\[1\][ \t]+(?:[-\"'\d]|TRUE|FALSE|NA)"),
    _ANY: PromptKind(r"[a-z][\w:.@/()\[\]-]*[\w)\]]>", r"[^\s<>]"),
}
_CUES = tuple(_KINDS)
_CODES = {cue: code for code, cue in enumerate(_CUES)}
_OUTPUT = LinePattern(r"^[ \t]*Out\[\d+\]:", opens="O")


_READER = PromptReader(tuple(_KINDS.values()))
_PROMPTS = (
    LinePattern(
        r"^[ \t]*(?:[^ \t\n]*>\s|(?:MariaDB |\[\d+\] pry|Prelude |\*[A-Z])[^\n]*>)", holds=">"
    ),
    LinePattern(r"^[ \t]*[a-z_]\w*=#\s", opens="_" + LETTERS, holds="#"),
    LinePattern(r"^[ \t]*#[ \t][^\n]*;;\s*$", opens=("# ", "#\t")),
    LinePattern(r"^[ \t]*(?:\((?:[a-zA-Z]+[):]|%i)|In \[)", opens="(I"),
    LinePattern(r"^[ \t]*(?:\[(?:trace|debug)\][ \t]*)?\d*[ \t]?\?-\s", holds="?"),
)
_GOES_ON = {
    _CODES[cue]: re.compile(rf"[ \t]*(?:{kind.goes_on})".encode())
    for cue, kind in _KINDS.items()
    if kind.goes_on
}
_PROOFS = {
    _CODES[cue]: re.compile(rf"[ \t]*(?:{kind.proof})".encode())
    for cue, kind in _KINDS.items()
    if kind.proof
}
# How a statement ends that needs no continuation prompts; commands of the shell around SQL do not.
_STOPS = {
    _CODES["sql>"]: re.compile(rb";\s*(?:--[^\n]*)?\Z|>[ \t]*[.\\]"),
    _CODES["1>"]: re.compile(rb"\.\s*(?:%[^\n]*)?\Z"),
    _CODES["ocaml #"]: re.compile(rb";;\s*\Z"),
}
_BRACKETED = frozenset(_CODES[cue] for cue in (_MARK, "In [1]:", "julia>"))
_MIN_ALIKE = 3


def find(candidates: Candidates) -> Sequence[Episode]:
    """Sessions in which at least one input is answered."""
    lines = candidates.lines
    prompts = _READER.read(candidates, *_PROMPTS)
    is_quote = _is_quote(lines, prompts)
    candidates.refuse(prompts.line[is_quote], GAME, "no code behind the mark, or a rare one")
    prompts = prompts.where(~is_quote)
    if len(prompts.line) == 0:
        return []
    examples = read_examples(candidates, prompts, _typed_end, _OUTPUT)
    is_sure = examples.is_placed & _is_proved(lines, examples)
    keep = is_sure & is_taught(candidates, examples, is_sure)
    candidates.refuse(examples.prompts.line[~keep], GAME, NOT_TAUGHT)
    return list(as_episodes(lines, examples, keep, _CUES))


def _is_quote(lines: Lines, prompts: Prompts) -> Bools:
    """Bool [n], whether each is a mere word or mark, met once or twice or before prose."""
    is_word, is_mark = (prompts.kind == _CODES[cue] for cue in (_ANY, _MARK))
    n_alike = per_document(lines, prompts, pl.Series(is_word), pl.len())
    rare: Bools = is_word & (n_alike < _MIN_ALIKE)
    is_code = lines.matching(prompts.line, rf"^[ \t]*>\s+(?:{_CODE}|$)")
    is_said = (is_word | is_mark) & is_prose(lines, prompts)
    quotes: Bools = rare | is_said | (is_mark & ~is_code)
    return quotes


def _typed_end(lines: Lines, first: int, kind: int, limit: int) -> int:
    """Line after the last that was typed, with continuation prompts or, in brackets, without.

    Where the brackets never close nothing was printed.
    """
    end, goes_on = first + 1, _GOES_ON.get(kind)
    while goes_on is not None and end < limit and goes_on.match(line_bytes(lines, end)):
        end += 1
    if end > first + 1:
        return end
    if kind in _BRACKETED:
        return _bracketed_end(lines, first, limit)
    return _terminated_end(lines, first, limit, _STOPS[kind]) if kind in _STOPS else end


def _terminated_end(lines: Lines, first: int, limit: int, stop: re.Pattern[bytes]) -> int:
    """Line after the first that ends as statements do; the next line where none does."""
    ends = (line + 1 for line in range(first, limit) if stop.search(line_bytes(lines, line)))
    return next(ends, first + 1)


def _bracketed_end(lines: Lines, first: int, limit: int) -> int:
    code, is_empty = TypedCode(), True
    for line in range(first, limit):
        text = line_bytes(lines, line)
        if line == first:
            text = text.split(b":" if text.lstrip().startswith(b"In [") else b">", 1)[-1]
        code.read(text)
        # A comment is no input: what it comments follows.
        is_empty &= text.lstrip().startswith(b"#")
        if code.is_complete and not is_empty:
            return line + 1
    return limit


def _is_proved(lines: Lines, examples: Examples) -> Bools:
    """Bool [n], whether each example's session has what its kind of prompt asks for."""
    kind, is_answered = examples.prompts.kind, examples.output < examples.end
    proved = ~np.isin(kind, list(_PROOFS))
    # Code in a block needs no proof.
    proved |= (kind == _CODES[_MARK]) & examples.is_shown & is_answered
    for i in np.flatnonzero(~proved & is_answered).tolist():
        printed = line_bytes(lines, int(examples.output[i]))
        proved[i] = _PROOFS[int(kind[i])].match(printed) is not None
    of_session = np.logical_or.reduceat(proved, np.flatnonzero(examples.opens))
    sessions: Bools = of_session[np.cumsum(examples.opens) - 1]
    return sessions


FAMILY = CueFamily(name=GAME, find=find)
