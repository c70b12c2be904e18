"""Chats whose labels name the two players: "User:" and "Assistant:", "### Human", "<|user|>".

These words say who asks and who answers, so that one exchange is enough and nobody need ask with a
question mark.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from transforms.candidates import Candidates, LinePattern
from transforms.lines import Int64s

# Who asks at the left, who answers at the right.
ROLES = (
    ("user human inst", "assistant ai bot chatbot model gpt chatgpt claude /inst"),
    ("customer client", "agent assistant representative support bot"),
)
SYSTEM = "system"
# In lower case these are fields of records: "user: root", "agent: none".
_PLAIN_WORDS = frozenset(["user", "human", "assistant", "ai"])

_MAX_TITLE_INDENT = 3

_PLAYERS = {word for sides in ROLES for side in sides for word in side.split()}
_WORDS = sorted({word for word in _PLAYERS if "inst" not in word} | {SYSTEM})
_WORD = "|".join(_WORDS)
# What may stand behind the mark of a title; two letters are others' small forms.
_FIRSTS = " \t*_\u017f\u212a" + "".join(
    {case for word in _WORDS for case in (word[0], word[0].upper())}
)
# Templates: ChatML and its like, Gemma's, Llama's.
_TAG = r"<(?:\|(?:im_start\|>|start_header_id\|>)?|start_of_turn>)"
_CLOSED = r"<(?:\|(?:im_end|eot_id|begin_of_text)\||end_of_turn|bos|/?s)>"
# Llama's first template: an answer may start in the middle of a line.
_INST = rf"(?:(?:^|{_CLOSED})[ \t]*\[|\[/)INST\]"
_INST_PROMPTS = LinePattern(rf"^(?:[ \t]*{_CLOSED})?[ \t]*\[INST\]", opens="[<")
ROLE_LABELS = (
    LinePattern(
        rf"(?i:^[ \t]*(?:\#{{1,6}}[ \t]+)?[*_]{{0,3}}\[?(?:{_WORD})\]?[*_]{{0,3}}[ \t]*[:：])",
        words=tuple(_WORDS),
        holds=":：",
    ),
    LinePattern(
        rf"(?i:^[ \t]*(?:\#{{1,6}}[ \t]+[*_]{{0,3}}(?:{_WORD})[*_]{{0,3}}\s*$"
        rf"|{_TAG}(?:{_WORD})(?-u:\b)))",
        opens=(
            "##",
            *("#" + space + first for space in " \t" for first in _FIRSTS),
            *("<" + first for first in "|sS\u017f"),
        ),
    ),
    # A template without newlines between messages has the next one's head where one ends.
    LinePattern(rf"(?i:{_CLOSED}{_TAG}(?:{_WORD})(?-u:\b))", holds=">"),
)
"""Lines that open with a player's name."""

_LABEL = re.compile(
    rf"""(?:[^\n]*{_CLOSED}(?={_TAG})|[ \t]*)
    (?P<mark>(?P<open>(?:\#{{1,6}}[ \t]+)?[*_]{{0,3}}\[?)(?P<word>{_WORD})\]?[*_]{{0,3}}
    [ \t]*[:：][*_]{{0,3}}(?=\s|[^\W\d_a-z]|$)
    |(?P<hashes>\#{{1,6}})[ \t]+[*_]{{0,3}}(?P<title>{_WORD})[*_]{{0,3}}\s*$
    |{_TAG}(?P<tag>{_WORD})(?:\|>|<\|end_header_id\|>|(?=\s*$)))""",
    re.IGNORECASE | re.VERBOSE,
)


class RoleLabel(NamedTuple):
    """A label that names a player.

    Attributes:
      line: number of its line.
      start: byte offset of the label.
      body: byte offset of what follows it.
      form: alike for peers: what stands before the word, how it is set.
      word: the role, case-folded.
    """

    line: int
    start: int
    body: int
    form: tuple[str, bool]
    word: str


def read_roles(candidates: Candidates) -> dict[int, list[RoleLabel]]:
    """The labels of each document that has the two sides of one game in one form."""
    lines = candidates.lines
    number = np.union1d(candidates.matching(*ROLE_LABELS)[0], _inst_lines(candidates))
    text = lines.texts(number)
    documents = lines.document_of(number).tolist()
    labels: dict[tuple[int, tuple[str, bool]], list[RoleLabel]] = {}
    for line, document, content in zip(number.tolist(), documents, text.to_list(), strict=True):
        for inst in re.finditer(_INST, content):
            label = _inst_label(int(lines.start[line]), line, inst)
            labels.setdefault((document, label.form), []).append(label)
        match = _LABEL.match(content)
        # Deeper, "# User" is a comment of a program.
        if match is not None and not (match["title"] and lines.indent[line] > _MAX_TITLE_INDENT):
            label = _label(int(lines.start[line]), line, match)
            labels.setdefault((document, label.form), []).append(label)
    found: dict[int, list[RoleLabel]] = {}
    for (document, _), said in labels.items():
        players = list(_with_players(said))
        # Of two forms the one with more labels tells the players; the other is quoted.
        if len(players) > len(found.get(document, ())):
            found[document] = players
    return found


def _inst_lines(candidates: Candidates) -> Int64s:
    """The lines with a mark of Llama's first template, where one opens with a prompt."""
    lines = candidates.lines
    prompts, _ = candidates.matching(_INST_PROMPTS)
    is_near = ~lines.is_blank & lines.shares_document(prompts)
    return candidates.among(np.flatnonzero(is_near), _INST)[0]


def _label(line_start: int, line: int, match: re.Match[str]) -> RoleLabel:
    word = match["word"] or match["title"] or match["tag"]
    opening = match["open"] if match["word"] else match["hashes"] or "<|"
    form = (opening.strip(), word[0].isupper())
    start, body = (
        line_start + len(match.string[:at].encode()) for at in (match.start("mark"), match.end())
    )
    return RoleLabel(line, start, body, form, word.casefold())


def _inst_label(line_start: int, line: int, match: re.Match[str]) -> RoleLabel:
    start, body = (
        line_start + len(match.string[:at].encode())
        for at in (match[0].rindex("[") + match.start(), match.end())
    )
    word = "/inst" if match[0].startswith("[/") else "inst"
    return RoleLabel(line, start, body, ("[INST]", True), word)


def _with_players(labels: list[RoleLabel]) -> Iterator[RoleLabel]:
    """The labels of the game that the first two sides play, if there is one; system's with them."""
    words = [label.word for label in labels]
    for asking, answering in ROLES:
        sides = (asking.split(), answering.split())
        is_played = all(any(word in side for word in words) for side in sides)
        opening, capital = labels[0].form
        is_plain = not opening.strip("[*_") and not capital
        if is_played and not (is_plain and not _PLAIN_WORDS.issuperset(words)):
            known = {*sides[0], *sides[1], SYSTEM}
            yield from (label for label in labels if label.word in known)
            return


def asks(label: RoleLabel) -> bool:
    """Whether a label names player one."""
    return any(label.word in asking.split() for asking, _ in ROLES)
