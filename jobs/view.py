"""Corpus text in a terminal: who speaks, what kind it is, and which cue said so.

Text of a corpus is shown, never obeyed: control, format and ignorable characters become visible
symbols and nothing in it is read as markup. Without colour (a pipe, NO_COLOR) every segment is a
line that begins with a tag, and lines that go on are indented, so no text can pass for a tag.
"""

import dataclasses
import json
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from schemas.episode import SegmentKind

# Unicode's format characters: they turn text around, join it, tag it, or show nothing at all.
_FORMAT = (
    *(0x00AD, *range(0x0600, 0x0606), 0x061C, 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x180E),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF),
    *(*range(0xFFF9, 0xFFFC), 0x110BD, 0x110CD, *range(0x13430, 0x13440)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)),
)
# What else Unicode lets a font show nothing for (Default_Ignorable_Code_Point), and the blank
# pattern of Braille, for which fonts have nothing to show.
_IGNORABLE = (
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2065, 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFFA0, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000), 0x2800),
)
# A terminal may break a line at the first two; the others are half a character.
_UNSEEN = (0x2028, 0x2029, *range(0xD800, 0xE000))
_SYMBOLS: dict[int, str] = {
    # Unicode's control pictures stand at a fixed distance.
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), *_FORMAT, *_IGNORABLE, *_UNSEEN)},
}
# JSON itself escapes what is below a space.
_JSON_ESCAPES = {
    code: f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(chr(code))[1:-1]
    for code in _SYMBOLS
    if code >= 0x20
}

_STYLES: dict[str, str] = {
    SegmentKind.QUESTION: "cyan",
    SegmentKind.REASONING: "yellow",
    SegmentKind.ANSWER: "green",
    SegmentKind.TEXT: "",
    SegmentKind.MARKER: "dim",
    SegmentKind.DELIMITER: "bold reverse",
}
_TAGS: dict[str, str] = {
    SegmentKind.QUESTION: "Q",
    SegmentKind.REASONING: "C",
    SegmentKind.ANSWER: "A",
    SegmentKind.TEXT: "text",
    SegmentKind.MARKER: "marker",
    SegmentKind.DELIMITER: "delimiter",
}
# Printed at a time, so that a long document shows at once and is not held as styled text.
_MANY_CHARACTERS = 1 << 16
_INDENT = "    "


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of text as it is shown."""

    kind: str
    text: str
    game: str = "text"
    episode: int | None = None
    """Ordinal in its document; None outside episodes."""
    cue: str | None = None


def escape(text: str) -> str:
    r"""Text with control, format and ignorable characters as visible symbols.

    Newlines and tabs stay. C0 controls and DEL become Unicode's control pictures; the other
    controls, formats, line separators, all that Unicode calls default ignorable and the blank
    U+2800 become <U+XXXX>. So do joiners and variation selectors, wherever they stand: emoji and
    words of some scripts come apart, and nothing of these kinds is hidden in any. White space is
    shown as it is.

    Example:
      >>> escape("\x1b[31mred\u202e")
      '␛[31mred<U+202E>'
    """
    return text.translate(_SYMBOLS)


def on_one_line(text: str) -> str:
    r"""`escape`, with newlines and tabs as visible symbols too: for names, which end no line.

    Example:
      >>> on_one_line("a\nb")
      'a␊b'
    """
    return escape(text).replace("\n", "\u240a").replace("\t", "\u2409")


def escape_json(text: str) -> str:
    r"""JSON with the characters of its strings that `escape` replaces as JSON escapes.

    Example:
      >>> escape_json('"\x9b31m"')
      '"\\u009b31m"'
    """
    return text.translate(_JSON_ESCAPES)


def in_colour(console: Console) -> bool:
    """Whether colour can tell the players apart on a console."""
    return console.color_system is not None and not console.no_color


def say(console: Console, words: str) -> None:
    """Print a line that may name files: nothing in it is markup, and its end is the terminal's."""
    console.print(on_one_line(words), highlight=False, markup=False, soft_wrap=True)


def show_legend(console: Console) -> None:
    """Prints what the colours, or the tags, stand for."""
    legend = Text("player one asks: ")
    tagged = not in_colour(console)
    for kind, words, gap in (
        (SegmentKind.QUESTION, "question", "   player two: "),
        (SegmentKind.REASONING, "reasoning", " "),
        (SegmentKind.ANSWER, "answer", "   nature: "),
        (SegmentKind.TEXT, "text", "   "),
        (SegmentKind.MARKER, "marker", "   inserted: "),
        (SegmentKind.DELIMITER, "delimiter", ""),
    ):
        tag = _TAGS[kind]
        label = f"[{tag}] {words}" if tagged and tag != words else f"[{tag}]" if tagged else words
        legend.append(label, _STYLES[kind]).append(gap)
    _print(console, legend)


def show_heading(console: Console, words: str) -> None:
    """Prints the line above a document or a row; `words` may hold text of the corpus."""
    _print(console, Text(f"── {on_one_line(words)} ──", "bold"))


def show_segments(
    console: Console, segments: Iterable[Segment], *, text_lines: int | None = None
) -> None:
    """Prints segments in order, each episode under a line with its game and cue.

    Args:
      console: where to; colours if it has them, tags otherwise.
      segments: what tiles a document or a row.
      text_lines: how many lines of a stretch of nature's text to show at most; None for all.
    """
    episode: int | None = None
    shown = Text()
    for segment in segments:
        if segment.episode is not None and segment.episode != episode:
            shown.append("" if _at_line_start(shown) else "\n").append_text(_badge(segment))
        episode = segment.episode
        text = escape(segment.text)
        if segment.kind == SegmentKind.TEXT and text_lines is not None:
            text = _shortened(text, text_lines)
        if in_colour(console):
            shown.append(text, _STYLES.get(segment.kind, ""))
        else:
            shown.append(_tagged(segment, text))
        if len(shown) > _MANY_CHARACTERS and _at_line_start(shown):
            _print(console, shown)
            shown = Text()
    _print(console, shown)


def _badge(segment: Segment) -> Text:
    cue = "" if segment.cue is None else f", cue {on_one_line(segment.cue)!r}"
    return Text(
        f"‹episode {segment.episode}: {on_one_line(segment.game)}{cue}›\n", "italic magenta"
    )


def _tagged(segment: Segment, text: str) -> str:
    """The segment as lines of a log; white space between content says nothing there."""
    if not text.strip():
        return ""
    tag = _TAGS.get(segment.kind, segment.kind)
    label = tag if segment.episode is None else f"{tag}|{on_one_line(segment.game)}"
    return f"[{label}] " + text.lstrip("\n").rstrip().replace("\n", "\n" + _INDENT) + "\n"


def _shortened(text: str, n_lines: int) -> str:
    lines = text.splitlines(keepends=True)
    n_left_out = len(lines) - n_lines
    if n_left_out < 2:
        return text
    head = (n_lines + 1) // 2
    tail = lines[len(lines) - (n_lines - head) :]
    return "".join([*lines[:head], f"… {n_left_out} lines …\n", *tail])


def _at_line_start(shown: Text) -> bool:
    return not shown or shown.plain[-1] == "\n"


def _print(console: Console, text: Text) -> None:
    # Wrapping and cropping are left to the terminal, so that piped lines stay whole.
    end = "" if _at_line_start(text) else "\n"
    console.print(text, soft_wrap=True, highlight=False, end=end)
