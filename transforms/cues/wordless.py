"""What holds no words and so answers nothing: comments, tags, placeholders, labels, rules, footers.

Expressions are possessive and anchored: each reads a stretch of bytes once.
"""

import re
from collections import Counter

import numpy as np

from transforms.candidates import OUTLINE_LINES, Candidates, LinePattern
from transforms.lines import Int64s, Lines
from transforms.outline import link_targets

_COMMENT = rb"<!--.*?-->"
# "<https://example.org>" is a link, and says something.
_TAG = rb"</?[A-Za-z][\w-]*+(?=[\s/>])[^<>]*+>"
_PLACEHOLDER = rb"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"
# Where a prompt ends, its reader goes on.
_ROLES = rb"answer|solution|response|reasoning|explanation|assistant|target|output|A"
_LABEL = rb"(?:\*\*)?(?i:%b):(?:\*\*)?\s*+\Z" % _ROLES
_NO_WORDS = re.compile(
    rb"(?:\s++|%b|%b|%b)*+(?:%b)?+" % (_COMMENT, _TAG, _PLACEHOLDER, _LABEL), re.DOTALL
)
# A tag that closes belongs to what it closes.
_BANNER = re.compile(rb"(?!</)(?:\s++|%b|%b)*+" % (_COMMENT, _TAG), re.DOTALL)
_RULE = re.compile(rb"([-=*_])(?:[ \t]*+\1){2,}+\s*+")
# Elements that hold questions with their answers, alone in a line; where an answer opens one, it
# may close it.
_ELEMENTS = rb"details|body|html|section|article|main|div|dl|dd|li|ul|ol"
_LONE_TAGS = re.compile(rb"(?i:[ \t]*+</?(?:%b)(?=[\s>])[^<>\n]*+>)++\s*+" % _ELEMENTS)
_ELEMENT = re.compile(rb"(?i)<(/?)(%b)(?=[\s>])" % _ELEMENTS)
_MAX_LONE_TAGS, _MAX_CUTS = 12, 3
_PARTING = LinePattern(r"^%\s*$", opens="%")
_MIN_PARTINGS = 2
_MAX_INDENT = 3
# A box so wide and so low at the end of a document is the foot of a page.
_MIN_FOOTER_COLUMNS = 20
_MAX_FOOTER_LINES = 5


def has_words(lines: Lines, start: int, end: int) -> bool:
    """Whether more stands in the bytes [start, end) than comments, tags, placeholders, a label."""
    return _NO_WORDS.fullmatch(lines.data, start, end) is None


def partings(candidates: Candidates) -> Int64s:
    """int64 [n], the lines of "%" that part the sayings of a collection, ascending."""
    lines = candidates.lines
    number, _ = candidates.matching(_PARTING)
    document = lines.document_of(number)
    return number[np.bincount(document)[document] >= _MIN_PARTINGS] if len(number) else number


def without_closing_tags(lines: Lines, body: int, end: int) -> int:
    """The line after an answer's last, without lone tags that close what was open before it.

    Args:
      lines: of all documents.
      body: its first line.
      end: the line after its last.
    """
    tail: list[tuple[int, bytes]] = []
    above = b""
    for _ in range(_MAX_LONE_TAGS):
        at = int(lines.filled.searchsorted(tail[-1][0] if tail else end)) - 1
        if at < 0 or (line := int(lines.filled[at])) < body:
            break
        # So deep below a blank line stands code.
        is_code = lines.indent[line] > _MAX_INDENT and bool(lines.opens[line])
        above = bytes(lines.data[lines.start[line] : lines.start[line + 1]])
        if is_code or _LONE_TAGS.fullmatch(above) is None:
            break
        tail.append((line, above))
    if not tail or above.rstrip().endswith(b":"):
        return end
    start, stop = int(lines.start[body]), int(lines.start[tail[-1][0]])
    depths = Counter[bytes]()
    for match in _ELEMENT.finditer(lines.data, start, stop):
        depths[match[2].lower()] += -1 if match[1] else 1
    cut = end
    for line, text in reversed(tail):
        names = [(bool(match[1]), match[2].lower()) for match in _ELEMENT.finditer(text)]
        closes_own = any(closes and depths[name] > 0 for closes, name in names)
        cut = end if closes_own else min(cut, line)
        for closes, name in names:
            depths[name] += -1 if closes else 1
    return cut


class AnswerEnds:
    """Where answers end, when what stands between them and the next heading is left out.

    That is link targets, rules, banners of tags, tags that close what was open before, and a ruled
    footer at a document's end.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._lines = candidates.lines
        targets = link_targets(self._lines, *candidates.matching(*OUTLINE_LINES))
        self._targets = frozenset(targets.tolist())
        self._partings = candidates.once(partings)
        # Blank lines part blocks.
        self._openers = np.flatnonzero(self._lines.opens & ~self._lines.is_blank)

    def end(self, body: int, end: int) -> int:
        """The line after an answer's last.

        Args:
          body: its first line.
          end: the line after the last that it may have.
        """
        lines = self._lines
        at = int(self._partings.searchsorted(body))
        end = min([end, *self._partings[at : at + 1].tolist()])
        is_last = end == int(lines.first_line[lines.first_line.searchsorted(end)])
        n_cuts = 0
        while (last := int(lines.filled.searchsorted(end)) - 1) >= 0:
            line = int(lines.filled[last])
            if line in self._targets:
                end = line
                continue
            # Each cut reads the answer, so there are few.
            cut = without_closing_tags(lines, body, end) if n_cuts < _MAX_CUTS else end
            if cut < end:
                end, n_cuts = cut, n_cuts + 1
                continue
            block = int(self._openers[self._openers.searchsorted(line, side="right") - 1])
            if block < body or not self._is_between(block, line, is_last):
                break
            end = block
        return end

    def _is_between(self, block: int, last: int, is_last: bool) -> bool:
        """Whether the lines [block, last] answer nothing."""
        lines = self._lines
        start, end = int(lines.content_start[block]), int(lines.start[last + 1])
        if lines.indent[block] > _MAX_INDENT:
            return False
        if _RULE.fullmatch(lines.data, start, int(lines.start[block + 1])):
            return block == last or (is_last and self._is_footer(block, last))
        return _BANNER.fullmatch(lines.data, start, end) is not None and not self._is_shown(block)

    def _is_footer(self, block: int, last: int) -> bool:
        """Whether a block that opens with a rule is a few lines between that rule and the same."""
        if not 1 < last - block <= _MAX_FOOTER_LINES + 1:
            return False
        rule, closing = (self._text(line) for line in (block, last))
        return rule == closing and len(rule) >= _MIN_FOOTER_COLUMNS

    def _is_shown(self, block: int) -> bool:
        """Whether the text before a block points at it: "It looks like this:"."""
        filled = self._lines.filled
        before = int(filled[max(int(filled.searchsorted(block)) - 1, 0)])
        return before not in self._targets and self._text(before).endswith(b":")

    def _text(self, line: int) -> bytes:
        start, end = self._lines.start[line : line + 2]
        return self._lines.buffer[start:end].tobytes().strip()
