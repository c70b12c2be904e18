"""A mailing list's archive: what a message quotes of its parent asks, what follows it answers.

Which lines are quoted is known from the parent: they are its lines after the quotation mark.
"""

import email
import email.policy
import itertools
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages

_QUOTED = re.compile(r"(?:[ \t]*>)+[ \t]?")
_ATTRIBUTION = re.compile(r"(?:wrote|writes|said)(?: in message .*)?:\s*$|^(?:On|At) .*")
_SIGNATURE = re.compile(r"-- ?\n?$")
_SHARE = 0.5
"""A quotation is the parent's when this share of its lines is found there."""


def build(packages: Packages) -> Iterator[GoldSet]:
    """`mail` and `neg-mail`."""
    root = packages.debian_source("notmuch")
    messages = {}
    for path in sorted(root.glob("notmuch-*/test/corpora/lkml/**/*")):
        if path.is_file() and path.name != "README":
            message = _read(path)
            if message is not None:
                messages[_id(message, "Message-ID")] = (path.name, message)
    replies, others = [], []
    for name, message in messages.values():
        parent = messages.get(_id(message, "In-Reply-To"))
        text = _text(message)
        if parent and _QUOTED.search(text):
            document = _reply(name, message, _text(parent[1]))
            if document.n_episodes:
                replies.append(document)
        elif not re.search(r"(?m)^[ \t]*>", text):
            document = GoldDocument(name)
            document.add(_head(message) + text)
            others.append(document)
    yield GoldSet(
        name="mail",
        source="mail",
        kind="pairs",
        note="replies of a mailing list: quoted lines that stand in the parent, and what follows",
        documents=tuple(replies),
    )
    yield GoldSet(
        name="neg-mail",
        source="neg-mail",
        kind="negative",
        note="messages of the list that quote nothing: patches, announcements, reports",
        documents=tuple(others),
    )


def _read(path: Path) -> EmailMessage | None:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message if message["Message-ID"] else None


def _id(message: EmailMessage, header: str) -> str:
    found = re.search(r"<[^<>]+>", str(message[header] or ""))
    return found[0] if found else ""


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except (LookupError, UnicodeError):
        return ""
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n")


def _head(message: EmailMessage) -> str:
    lines = (f"{name}: {message[name]}\n" for name in ("From", "Date", "Subject") if message[name])
    return "".join(lines).encode("utf-8", "replace").decode() + "\n"


def _reply(name: str, message: EmailMessage, parent: str) -> GoldDocument:
    """Head and body; every run of quoted lines with what follows it up to the next is a pair."""
    document = GoldDocument(name)
    document.add(_head(message))
    lines = _text(message).splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if _SIGNATURE.match(line)]
    end = ends[-1] if ends else len(lines)
    known = {_bare(line) for line in parent.splitlines()} - {""}
    at = 0
    for first, last, stop in _runs(lines[:end]):
        quoted = [line for line in lines[first:last] if _bare(line)]
        found = [line for line in quoted if _bare(line) in known]
        attribution = first
        while attribution > at and _is_attribution(lines, attribution - 1, at):
            attribution -= 1
        said = "".join(lines[last:stop])
        if quoted and said.strip() and _ends_a_line(said.split(), parent):
            # A mailer broke a quoted line, and its rest stands unquoted: no gold to be had.
            return GoldDocument(name)
        is_pair = bool(quoted) and len(found) >= _SHARE * len(quoted) and bool(said.strip())
        document.add("".join(lines[at:attribution]))
        if is_pair:
            episode = document.open_episode("".join(lines[first:last]), said)
            document.add("".join(lines[attribution:first]), "marker", episode, soft=True)
            for line in lines[first:last]:
                mark = _QUOTED.match(line)
                document.add(mark[0] if mark else "", "marker", episode, soft=True)
                document.add(line[mark.end() if mark else 0 :], "question", episode)
            document.add(said, "answer", episode)
        else:
            document.add("".join(lines[attribution:stop]), neutral=True)
        at = stop
    document.add("".join(lines[at:]))
    return document


def _runs(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """First and past the last line of each quotation, and where what follows it ends."""
    marks = [bool(_QUOTED.match(line)) for line in lines]
    starts = [i for i, on in enumerate(marks) if on and (i == 0 or not _quoted_before(lines, i))]
    for start, after in itertools.pairwise([*starts, len(lines)]):
        last = start
        while last < after and (marks[last] or not lines[last].strip()):
            last += 1
        while not marks[last - 1]:
            last -= 1
        stop = after
        while stop > last and after < len(lines) and _is_attribution(lines, stop - 1, last):
            stop -= 1
        yield start, last, stop


def _quoted_before(lines: list[str], i: int) -> bool:
    """Whether the line that is not blank before line i is quoted too."""
    while i and not lines[i - 1].strip():
        i -= 1
    return i > 0 and bool(_QUOTED.match(lines[i - 1]))


def _is_attribution(lines: list[str], i: int, first: int) -> bool:
    line = lines[i]
    if not line.strip():
        return i > first and _is_attribution(lines, i - 1, first)
    return bool(_ATTRIBUTION.search(line.strip()))


def _ends_a_line(words: list[str], text: str) -> bool:
    return any(line.split()[-len(words) :] == words for line in text.splitlines())


def _bare(line: str) -> str:
    """A line without its quotation marks and white space."""
    return re.sub(r"[\s>]+", "", line)
