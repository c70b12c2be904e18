"""Whether what was typed at an interpreter's prompt is complete, so that it answers.

A scanner of brackets, quotes and blocks, not a parser: what is read may be no Python at all, each
byte of it is looked at a fixed number of times, and nothing recurses.
"""

import re

_BLOCK = re.compile(
    rb"(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b"
)
_DECORATOR = re.compile(rb"@[^\s(#]++\s*+(?:[(#]|\Z)")
# A colon or a backslash means something here only at the end of a line.
_TOKEN = re.compile(
    rb"#|\"\"\"|'''|[\"'()\[\]{}]|:(?=\s*+(?:#|\Z))|\\(?=\s*+\Z)",
)
_UP_TO = {
    b'"': re.compile(rb'(?:[^"\\\n]++|\\.)*+"', re.DOTALL),
    b"'": re.compile(rb"(?:[^'\\\n]++|\\.)*+'", re.DOTALL),
    b'"""': re.compile(rb'(?:[^"\\]++|\\.|"(?!""))*+"""', re.DOTALL),
    b"'''": re.compile(rb"(?:[^'\\]++|\\.|'(?!''))*+'''", re.DOTALL),
}
_CLOSING = {b"(": b")", b"[": b"]", b"{": b"}"}


class TypedCode:
    r"""What was typed so far, read a line at a time, each without its prompt.

    Example:
      >>> code = TypedCode()
      >>> code.read(b"f(1,\n")
      >>> code.is_complete
      False
      >>> code.read(b"  2)\n")
      >>> code.is_complete
      True
    """

    def __init__(self) -> None:
        self.awaits_body = False
        """Whether the last statement so far is the header of a block, or a decorator."""

        self.in_block = False
        """Whether a block was opened and no empty line closed it."""

        self._closers: list[bytes] = []
        self._quote = b""
        self._is_joined = False
        self._is_broken = False
        self._may_open = False

    @property
    def in_string(self) -> bool:
        """Whether the next line goes on inside a string."""
        return self._quote != b""

    @property
    def is_complete(self) -> bool:
        """Whether the interpreter would answer: nothing is open, or nothing can mend it."""
        is_open = self._closers or self._quote or self._is_joined or self.awaits_body
        return self._is_broken or not is_open

    def read(self, line: bytes) -> None:
        """Reads one more line, with its newline or without."""
        at = 0
        if self._quote:
            at = self._read_string(line, at)
        elif not (self._closers or self._is_joined):
            self._begin(line.lstrip())
        self._is_joined = False
        while not self._is_broken and (token := _TOKEN.search(line, at)):
            if token[0] == b"#":
                break
            at = token.end()
            if token[0] in _UP_TO:
                self._quote = token[0]
                at = self._read_string(line, at)
            else:
                self._read_mark(token[0])

    def _begin(self, statement: bytes) -> None:
        """Notes what kind of statement opens with a line; a comment is none."""
        if not statement:
            self.awaits_body = self.in_block = False
        elif not statement.startswith(b"#"):
            self.awaits_body = _DECORATOR.match(statement) is not None
            self.in_block |= self.awaits_body
            self._may_open = _BLOCK.match(statement) is not None

    def _read_string(self, line: bytes, at: int) -> int:
        """Where the open string ends, or the line; a string in single quotes must end there."""
        closed = _UP_TO[self._quote].match(line, at)
        if closed is not None:
            self._quote = b""
            return closed.end()
        content = line.rstrip(b"\r\n")
        n_backslashes = len(content) - len(content.rstrip(b"\\"))
        self._is_broken = len(self._quote) == 1 and n_backslashes % 2 == 0
        return len(line)

    def _read_mark(self, mark: bytes) -> None:
        """Takes account of a bracket, or of a colon or a backslash at the end of a line."""
        if mark in _CLOSING:
            self._closers.append(_CLOSING[mark])
        elif mark == b"\\":
            self._is_joined = True
        elif mark == b":":
            if self._may_open and not self._closers:
                self.awaits_body = self.in_block = True
        elif not self._closers or self._closers.pop() != mark:
            self._is_broken = True
