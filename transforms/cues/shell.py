r"""Sessions of a shell: "$ ls", "user@host:~# mount", "C:\> dir", and what is printed below.

A dollar with a command behind it is a prompt where code stands: at the start of a paragraph, deeper
than the line above, below a colon, or in a fence. Marks that mean other things elsewhere ("%", "#",
a word with a dollar) must recur in the document.
"""

import re
import string
from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.candidates import Candidates, LinePattern
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
from transforms.lines import Bools, Lines

GAME = "shell"
_COMMAND = r"[A-Za-z_./~(\[{!#\"'\\]|[$:][^\s\d]"
_USER = r"[A-Za-z_][\w.+-]*@[\w.-]+"
_PATH = r"[^\s$#%>@]*"
_KINDS: dict[str, PromptKind] = {
    "$": PromptKind(r"\$", _COMMAND),
    "%": PromptKind(r"%", r"[a-z./~][\w./~+-]*(?:[ \t][^\n]*)?\s*$"),
    "user@host": PromptKind(
        rf"(?:\([\w.-]+\)[ \t]*)?(?:{_USER}(?::{_PATH}[#$%>]|[$%])"
        rf"|\[{_USER}[ :][^\s\]]*\][ \t]?[#$%>])"
    ),
    "host$": PromptKind(r"(?:[A-Za-z~/][\w.~/:-]*|\[[\w.~/@: -]+\][ \t]?)[$%]", r"[A-Za-z./~]"),
    "C:\\>": PromptKind(
        r"(?:PS )?[A-Z]:(?:\\[^\n<>|?*\"]*)?>|PS>", r"[A-Za-z.\\\"&$(\[]", gap=r"[ \t]*+"
    ),
}
_CUES = tuple(_KINDS)
_READER = PromptReader(tuple(_KINDS.values()))
_PROMPT = LinePattern(
    r"^[ \t]*(?:[$%]\s|\([^ \t\n]*\)[ \t]*[A-Za-z_][^\n]*[$%#>]|[A-Za-z_~/][^ \t\n]*[$%#>]\s"
    r"|\[[^\]\n]*\][ \t]?[$%#>]\s|(?:PS )?[A-Z]:[\\>]|PS>)",
    opens="$%([_~/" + string.ascii_letters,
    holds="$%#>\\",
)

# "$ x + y $" is mathematics, "$ 5" a price, "$ foo = 3;" and "$ foo (a, b)" other languages.
_NO_COMMAND = r"[^\\\"']\$[.,;:]?\s*$|\s:\s*$"
# Where TeX, Prolog or PostScript stands "%" opens comments.
_PERCENT_COMMENTS = r"^[ \t]*(?:%[%!*=-]|\\[a-zA-Z]{2,}|:-\s)"
_RECURRING = ("%", "host$")
_MIN_RECURRING = 2
_CONTINUES = {"C:\\>": re.compile(rb"\^\s*\Z")}
_BACKSLASH = re.compile(rb"(?:\\|\||&&)\s*\Z")
_OPENS_BLOCK = re.compile(rb"(?:\b(?:do|then|in)|\{)\s*\Z")
_CLOSES_BLOCK = re.compile(rb"\A\s*(?:(?:done|fi|esac)\b|\})")
_SECONDARY = re.compile(rb"[ \t]*>(?:[ \t]|\s*\Z)")
_HEREDOC = re.compile(rb"<<[-~]?[ \t]*[\\'\"]?(\w+)")
# A quote opens a word or an option's value; an apostrophe inside a word opens nothing.
_QUOTES = re.compile(
    rb"\\.|'[^']*+'|\"(?:[^\"\\]|\\.)*+\"|(?:(?<=[\s=({\[:,;|&])|\A)(['\"])", re.DOTALL
)
_MAX_QUOTED_LINES = 50
_MAX_COMMAND_BYTES = 10_000


def find(candidates: Candidates) -> Sequence[Episode]:
    """Sessions in which at least one command prints something."""
    prompts = _read_commands(candidates)
    if len(prompts.line) == 0:
        return []
    examples = read_examples(candidates, prompts, _typed_end)
    is_sure = examples.is_placed & _recurs(candidates.lines, examples)
    keep = is_sure & is_taught(candidates, examples, is_sure)
    candidates.refuse(examples.prompts.line[~keep], GAME, NOT_TAUGHT)
    return list(as_episodes(candidates.lines, examples, keep, _CUES))


def _read_commands(candidates: Candidates) -> Prompts:
    """The prompts behind which a command may stand."""
    prompts = _READER.read(candidates, _PROMPT)
    lines = candidates.lines
    is_other = lines.matching(prompts.line, _NO_COMMAND)
    is_other |= _is_doubtful(prompts) & is_prose(lines, prompts)
    is_other |= _is_percent_comment(candidates, prompts)
    candidates.refuse(prompts.line[is_other], GAME, "no command behind the prompt")
    return prompts.where(~is_other)


def _is_percent_comment(candidates: Candidates, prompts: Prompts) -> Bools:
    """Bool [n], whether each is a "%" in a document where it opens comments."""
    lines, is_percent = candidates.lines, prompts.kind == _CUES.index("%")
    near = ~lines.is_blank & lines.shares_document(prompts.line[is_percent])
    comments, _ = candidates.among(np.flatnonzero(near), _PERCENT_COMMENTS)
    is_comment: Bools = is_percent & lines.shares_document(comments)[prompts.line]
    return is_comment


def _is_doubtful(prompts: Prompts) -> Bools:
    return np.isin(prompts.kind, [_CUES.index(cue) for cue in _RECURRING])


def _recurs(lines: Lines, examples: Examples) -> Bools:
    """Bool [n], whether each prompt is unmistakable, or others alike stand in its document."""
    placed = pl.Series(examples.is_placed)
    n_placed = per_document(lines, examples.prompts, placed, pl.col("value").sum())
    return ~_is_doubtful(examples.prompts) | (n_placed >= _MIN_RECURRING)


def _typed_end(lines: Lines, first: int, kind: int, limit: int) -> int:
    """Line after the last of a command: backslashes, "> ", quotes and here-documents go on."""
    command = text = line_bytes(lines, first)
    continues = _CONTINUES.get(_CUES[kind], _BACKSLASH)
    end = first + 1
    while end < limit:
        following = line_bytes(lines, end)
        is_secondary = continues is _BACKSLASH and _SECONDARY.match(following)
        if not (is_secondary or continues.search(text)):
            break
        text = following
        command += text if len(command) < _MAX_COMMAND_BYTES else b""
        end += 1
    heredoc = _HEREDOC.search(command)
    if heredoc is not None:
        return _until(lines, end, limit, re.compile(rb"\A\s*%b\s*\Z" % heredoc[1]))
    quote = _open_quote(command)
    if quote:
        return _until(lines, end, min(limit, end + _MAX_QUOTED_LINES), re.compile(quote))
    return _until(lines, end, limit, _CLOSES_BLOCK) if _OPENS_BLOCK.search(text) else end


def _until(lines: Lines, first: int, limit: int, closing: re.Pattern[bytes]) -> int:
    """Line after the first that matches; `first` where none does."""
    for line in range(first, limit):
        if closing.search(line_bytes(lines, line)):
            return line + 1
    return first


def _open_quote(command: bytes) -> bytes:
    """The quote that a command leaves open, if any."""
    open_quotes = (match[1] for match in _QUOTES.finditer(command) if match[1])
    return next(open_quotes, b"")


FAMILY = CueFamily(name=GAME, find=find)
