"""A small text browser: HTML to wrapped plain text, in blocks that know what markup they had."""

import dataclasses
import re
import textwrap
from collections.abc import Iterable
from html.parser import HTMLParser

WIDTH = 78
_BLOCK = re.compile(
    "address|article|aside|blockquote|body|center|d[dlt]|details|div|fieldset|figure|footer|form"
    "|h[1-6]|header|hr|html|li|main|nav|ol|p|pre|section|summary|table|tbody|tfoot|thead|tr|ul"
)
_CELL = re.compile("t[dh]")
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|path|source|track|wbr")
_UNSEEN = frozenset({"script", "style", "head", "svg", "title", "noscript", "select"})
_INDENT = {"ul": 2, "ol": 2, "dd": 4, "blockquote": 4}
# An element that opens ends these that are still open, up to the element that bounds them.
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li", "p"}), frozenset({"ul", "ol"})),
    "dt": (frozenset({"dt", "dd", "p"}), frozenset({"dl"})),
    "dd": (frozenset({"dt", "dd", "p"}), frozenset({"dl"})),
    "tr": (frozenset({"tr", "td", "th", "p"}), frozenset({"table"})),
    "td": (frozenset({"td", "th", "p"}), frozenset({"tr", "table"})),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, list item or the like, as plain text.

    Attributes:
      text: its lines, each with its newline.
      raw: the characters that the markup had, white space as it stood.
      heading: 1 to 6, else 0.
      tight: no blank line between this and a tight block before it.
      path: open elements, outermost first, as "tag.class.class#id".
    """

    text: str
    raw: str
    heading: int
    tight: bool
    path: tuple[str, ...]

    def inside(self, pattern: str) -> bool:
        """Whether some open element matches a regular expression fully."""
        return any(re.fullmatch(pattern, element) for element in self.path)


class _Element:
    __slots__ = ("label", "n_items", "tag", "unseen")

    def __init__(self, tag: str, label: str, unseen: bool) -> None:
        self.tag, self.label, self.unseen, self.n_items = tag, label, unseen, 0


class _Browser(HTMLParser):
    def __init__(self, skip: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skip = re.compile(skip) if skip else None
        self.open: list[_Element] = []
        self.blocks: list[Block] = []
        self.waiting = ""
        self.bullet = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _VOID.fullmatch(tag):
            if tag == "br":
                self._put("\n")
            elif tag == "hr":
                self._flush()
            return
        if tag in _ENDS:
            self._end_implied(*_ENDS[tag])
        elif _BLOCK.fullmatch(tag) and self.open and self.open[-1].tag == "p":
            self._close()
        values = dict(attrs)
        label = ".".join([tag, *(values.get("class") or "").split()])
        label += f"#{values['id']}" if values.get("id") else ""
        label += f"@{values['role']}" if values.get("role") else ""
        unseen = tag in _UNSEEN or bool(self.skip and self.skip.fullmatch(label))
        if _BLOCK.fullmatch(tag):
            self._flush()
        self.open.append(_Element(tag, label, unseen))
        if tag == "li":
            lists = [e for e in self.open if e.tag in ("ul", "ol")]
            if lists:
                lists[-1].n_items += 1
                self.bullet = "* " if lists[-1].tag == "ul" else f"{lists[-1].n_items}. "
        elif _CELL.fullmatch(tag):
            self._put("  ")

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self.open):
            while self._close() != tag:
                pass

    def handle_data(self, data: str) -> None:
        is_pre = any(element.tag == "pre" for element in self.open)
        self._put(data if is_pre else re.sub(r"[ \t\r\n\f]+", " ", data))

    def close(self) -> None:
        super().close()
        while self.open:
            self._close()
        self._flush()

    def _put(self, text: str) -> None:
        if not any(element.unseen for element in self.open):
            self.waiting += text

    def _end_implied(self, tags: frozenset[str], bounds: frozenset[str]) -> None:
        depth = len(self.open)
        while depth and self.open[depth - 1].tag not in bounds:
            depth -= 1
            if self.open[depth].tag in tags and self.open[depth].tag != "p":
                while len(self.open) > depth:
                    self._close()

    def _close(self) -> str:
        if _BLOCK.fullmatch(self.open[-1].tag):
            self._flush()
        return self.open.pop().tag

    def _flush(self) -> None:
        raw, self.waiting = self.waiting, ""
        if not raw.strip():
            return
        tags = [element.tag for element in self.open]
        pad = " " * sum(_INDENT.get(tag, 0) for tag in tags)
        if self.bullet or any(tag in ("ul", "ol") for tag in tags):
            pad = pad[2:]
        headings = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
        hang = " " * (len(self.bullet) if self.bullet else 2 * ("li" in tags))
        tight = bool(self.bullet) or "dt" in tags or "tr" in tags
        if headings:
            text = re.sub(r"\s+", " ", raw).strip() + "\n"
        elif "pre" in tags:
            text = textwrap.indent(raw.strip("\n").expandtabs(), pad + "    ") + "\n"
        else:
            first = pad + (self.bullet or hang)
            text = "".join(
                _fill(line, first if i == 0 else pad + hang, pad + hang)
                for i, line in enumerate(raw.strip().split("\n"))
            )
        self.bullet = ""
        path = tuple(element.label for element in self.open)
        self.blocks.append(Block(text, raw, headings[0] if headings else 0, tight, path))


def _fill(line: str, first: str, rest: str) -> str:
    if not line.strip():
        return ""
    filled = textwrap.fill(
        line.strip(),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled + "\n"


def read_page(html: str, *, main: str = "", skip: str = "") -> list[Block]:
    r"""The blocks of a page.

    Args:
      html: the page.
      main: regular expression of the element, "tag.class#id@role", whose inside counts; all if "".
      skip: regular expression of elements that are left out, such as links of headings.

    Example:
      >>> [b.text for b in read_page("<h2>Why?</h2><p>So<ul><li>one<li>two</ul>")]
      ['Why?\n', 'So\n', '* one\n', '* two\n']
    """
    browser = _Browser(skip)
    browser.feed(html)
    browser.close()
    return [block for block in browser.blocks if not main or block.inside(main)]


def as_text(blocks: Iterable[Block], *, before: Block | None = None) -> str:
    """Blocks as they stand below one another, blank lines between those that are not tight."""
    text = ""
    for block in blocks:
        text += ("" if block.tight and before and before.tight else "\n") + block.text
        before = block
    return text
