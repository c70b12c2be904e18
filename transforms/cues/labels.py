"""Labels at the start of a line: what they look like, and what they label."""

import dataclasses
import itertools
import re
from collections.abc import Iterator

from transforms.candidates import Candidates, LinePattern
from transforms.cues.words import ANSWERS, ASKS, THINKING, longest_first
from transforms.lines import Lines

_WORD = longest_first([*ASKS, *ANSWERS])
# A file may open with a byte order mark, a paragraph with an ideographic space.
_SPACE = r"[ \t\f\u3000\ufeff]*"
_OPEN = r"(?:\#{1,6}[ \t]+)?(?:\*\*|__|\*|_|\[\[[ \t]?\#\#[ \t]|\[|\(|:)?"
# "*+" gives nothing back, or a long run of spaces would be split in every way. Rust, which never
# goes back, reads the same language.
_NUMBER = r"(?:[ \t]*+(?:no\.?|nr\.?|\#|№)?[ \t]*+\d{1,4}(?:\.\d{1,3}){0,3}[a-z]?)?"
# French puts a space that does not break before a colon.
_GAP = r"[ \t\u00a0\u202f]"
_SEPARATOR = r"(?:[:：]|\.|．|\)|\#\#[ \t]?\]\]|\]|-|–|—|>)"
# "Answer (score 3):", "Question (2 marks):".
_ASIDE = r"(?:[ \t]?[(\[](?=[^()\[\]\n\d]*+\d)[^()\[\]\n]*+[)\]](?=[ \t]*[:：]))?"
LABELS = LinePattern(
    rf"(?i:^{_SPACE}{_OPEN}(?:{_WORD}){_NUMBER}"
    rf"{_GAP}*(?:\*\*|__|\*|_)?{_GAP}*(?:{_SEPARATOR}|[(\[][^()\[\]\n]*[)\]]{_GAP}*[:：]|\n|\r|$))",
    words=(*ASKS, *ANSWERS),
)
"""Lines that may open with a label."""

FIELDS = LinePattern(rf"(?i:^[ \t]*:(?:{_WORD}){_NUMBER}:[ \t])", opens=":")
"""Lines that may open with a label of reStructuredText: ":Q: Why?"."""

_CAPITALS = "EXAMPLE|EXERCISE|PROBLEM|QUESTION|SOLUTION|ANSWER"
CAPITALS = LinePattern(
    rf"^{_SPACE}(?:{_CAPITALS})(?:[ \t]+\d{{1,4}}(?:\.\d{{1,3}}){{0,3}})?[ \t]+"
    r"(?:[\p{L}]?[\p{Ll}]|[AI] |[^\p{L}\s])",
    opens=("\ufeff", *_CAPITALS.split("|")),
)
"""Lines that may open with a label that only its capitals show: "SOLUTION We add them."."""

_IN_CAPITALS = re.compile(
    rf"{_SPACE}(?P<open>)(?P<word>{_CAPITALS})(?P<number>(?:[ \t]+\d{{1,4}}(?:\.\d{{1,3}})*)?)"
    r"(?P<sep>)(?P<after>[ \t]+)"
)
_LABEL = re.compile(
    rf"""{_SPACE}(?P<open>{_OPEN})(?P<word>{_WORD})(?P<number>{_NUMBER})
    {_GAP}*+(?:\*\*|__|\*|_)?{_ASIDE}
    (?:{_GAP}*+(?P<sep>{_SEPARATOR})(?:\*\*|__|\*|_)?(?P<after>[ \t]*(?P<next>.?))|[ \t]*+$)""",
    re.IGNORECASE | re.VERBOSE,
)
# Inside a line a label stands where a sentence ends, or is set in bold, or opens steps.
_THINKS = r"(?-i:Reasoning|Rationale|Explanation|Thoughts?|Chain of [Tt]hought):"
_INLINE = re.compile(
    rf"(?:(?<=[?？؟.!。])[*_]*[ \t]+|(?<=[ \t])(?=\*\*|__|{_THINKS}))"
    rf"(?P<open>[*_]{{0,2}})(?P<word>{_WORD})(?P<number>{_NUMBER})"
    r"(?P<close>[*_]{0,2})(?P<sep>[:：.)])[*_]{0,2}(?P<after>[ \t]*)\S",
    re.IGNORECASE,
)
# What stands behind the name of a field, in a program or in a file of settings.
_DECLARES = re.compile(r"[\w.]+(?:\[[\w., |\[\]]*\])?[ \t]+=[ \t]*\S|[a-z\d]+[_/.][\w./-]+\s*$")
_TITLES = frozenset(["PROBLEM", "QUESTION", "EXERCISE"])
_MAX_INLINE = 20
_EMPHASIS = ("**", "__", "*", "_")


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """A label at the start of a line.

    Attributes:
      line: number of its line.
      document: ordinal of its document.
      start: byte offset of the label, markup included.
      end: byte offset of what it labels.
      word: its word, case-folded.
      number: its number, empty without one.
      separator: what closes it; empty where the line does.
      emphasis: the markup that opens before the label and is still open after it.
      cue: the label for people.
      indent: columns of its line's indentation.
      is_head: whether its line opens a paragraph.
    """

    line: int
    document: int
    start: int
    end: int
    word: str
    number: str
    separator: str
    emphasis: str
    cue: str
    indent: int
    is_head: bool

    @property
    def asks(self) -> frozenset[int]:
        """The word pairs in which it labels a question."""
        return ASKS.get(self.word, frozenset())

    @property
    def answers(self) -> frozenset[int]:
        """The word pairs in which it labels an answer."""
        return ANSWERS.get(self.word, frozenset())


def read_labels(candidates: Candidates) -> list[Label]:
    """The labels that open lines, in order; they need not be paired.

    What answers a question may stand in its line ("Q: Is it? A: Yes."); its labels are read too.
    """
    lines = candidates.lines
    number, text = candidates.matching(LABELS, FIELDS)
    places = zip(
        number.tolist(),
        lines.document_of(number).tolist(),
        lines.start[number].tolist(),
        lines.indent[number].tolist(),
        lines.opens[number].tolist(),
        strict=True,
    )
    labels = list(_read_capitals(candidates))
    for place, content in zip(places, text.to_list(), strict=True):
        match = _LABEL.match(content.rstrip())
        is_label = match is not None and _is_label(match) and not _is_field(match)
        if match is None or not is_label or _counts_on(lines, place[0], match):
            continue
        label = _label(*place, match)
        labels.append(label)
        labels.extend(
            _label(*place, inline) for inline in _read_inline(label, content, match.end())
        )
    return sorted(labels, key=lambda label: label.start)


def _counts_on(lines: Lines, line: int, match: re.Match[str]) -> bool:
    """Whether a label is an option by the line above it: "(P) ..., (Q) ..."."""
    if match["word"] != "Q" or match["sep"] not in (")", "]", ".") or lines.opens[line]:
        return False
    above = int(lines.content_start[line - 1])
    opening = (match.string[match.start("open") : match.end("sep")]).replace("Q", "P").encode()
    return bytes(lines.data[above : above + len(opening)]) == opening


def _read_capitals(candidates: Candidates) -> Iterator[Label]:
    """Labels in capitals at the head of a paragraph, with nothing but space behind them."""
    lines = candidates.lines
    number, text = candidates.matching(CAPITALS)
    documents = lines.document_of(number).tolist()
    for line, document, content in zip(number.tolist(), documents, text, strict=True):
        match = _IN_CAPITALS.match(content)
        separated = _LABEL.match(content.rstrip())
        is_separated = separated is not None and _is_label(separated)
        if match is not None and lines.opens[line] and not is_separated:
            indent = int(lines.indent[line])
            yield _label(line, document, int(lines.start[line]), indent, True, match)


def _read_inline(opens: Label, content: str, at: int) -> Iterator[re.Match[str]]:
    """The labels behind a line's first, up to the answer's: "Q: ... Reasoning: ... A: ..."."""
    if not opens.asks:
        return
    for inline in itertools.islice(_INLINE.finditer(content, at), _MAX_INLINE):
        if _answers_inline(opens, inline):
            yield inline
            if inline["word"].casefold() not in THINKING:
                return


def _answers_inline(question: Label, inline: re.Match[str]) -> bool:
    """Whether a label inside its question's line opens the answer."""
    if not question.asks & ANSWERS.get(inline["word"].casefold(), frozenset()):
        return False
    # "in option a. Then" holds no label.
    return inline["sep"] in ":：" or (
        inline["sep"] == question.separator and inline["word"][0].isupper()
    )


def _label(
    line: int, document: int, line_start: int, indent: int, is_head: bool, match: re.Match[str]
) -> Label:
    text = match.string
    start, opening = match.start("open"), match["open"].lstrip("# \t")
    end = match.end() if match["sep"] is None else match.start("after")
    is_open = opening in _EMPHASIS and opening not in text[match.end("open") : end]
    return Label(
        line,
        document,
        line_start + len(text[:start].encode()),
        line_start + len(text[:end].encode()),
        match["word"].casefold(),
        (match.groupdict().get("number") or "").lstrip("nNoOrR.#№ \t"),
        match["sep"] or "",
        opening if is_open else "",
        text[start:end].strip("#*_[( \t"),
        indent,
        is_head,
    )


def _is_label(match: re.Match[str]) -> bool:
    """Whether what looks like a label is one: its word, number, mark and markup go together."""
    word, separator, opening = match["word"], match["sep"], match["open"]
    is_marked = bool(match["number"].strip()) or bool(opening.strip())
    if separator is None:
        # A bare word is a word; "Exercise 3" or "**Answer**" alone in a line is a label.
        is_title = word.casefold() in ("solution", "answer") or word in _TITLES
        return (is_marked or is_title) and len(word) > 1
    if len(word) == 1 and word.islower() and word not in "qa":
        return False
    if separator == "．":
        return True
    if separator == ">":
        return word in ("Q", "A") and not is_marked and match["after"][:1] in (" ", "\t")
    if separator in ":：":
        return match["next"] not in ("/", "\\", ":", "=") or match["after"].startswith((" ", "\t"))
    if separator in "])" and opening.strip("# \t") in ("[", "("):
        # "(D)" is an option.
        return len(word) > 1 or word in "QqAa" or not word.isascii()
    follows_space = match["after"][:1] in ("", " ", "\t")
    if separator in "-–—":
        return follows_space and is_marked
    # "Exercise." opens a paragraph in old books; "example." ends a sentence where a line breaks.
    # "A." and "A)" count things unless the question has the same mark, which pairing looks at.
    is_head = separator == "." and word[0].isupper()
    return follows_space and (is_marked or is_head or len(word) == 1 or not match["next"])


def _is_field(match: re.Match[str]) -> bool:
    """Whether a word in small letters names a field: "question: str = Field()", "task: a_b"."""
    if match["sep"] != ":" or not match["word"].islower() or len(match["word"]) == 1:
        return False
    return _DECLARES.match(match.string, match.start("next")) is not None


def without_label(text: str) -> str:
    """A line's text without the label that opens it, if one does.

    Example:
      >>> without_label("Q3: Why?"), without_label("Why?")
      ('Why?', 'Why?')
    """
    match = _LABEL.match(text)
    if match is None or match["sep"] is None or not _is_label(match):
        return text
    return text[match.start("next") :]
