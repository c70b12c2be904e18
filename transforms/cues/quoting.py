"""Quoting in mail and news: what is quoted with ">" asks, what is written below it answers.

Each quotation with a reply is an episode, so that interleaved replies make several. What is quoted
is the question whole: its last line is what is replied to, and what stands there deeper, quoted by
the one who is quoted, belongs to it. The marks of the level that is replied to are markers, as is
the line of attribution ("On Monday Ann wrote:"); deeper marks are part of the question.

A quotation in prose, a shell's prompt or a diff looks the same. So a message must show that it is
one: by a line of attribution above a quotation, or by headers of a reply; that holds up to its
signature. What stands below a signature or a footer is nobody's.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues.family import Content, CueFamily, Episode
from transforms.episodes import trim
from transforms.lines import Bools, Int64s, Lines

GAME = "quoting"
CUE = ">"

_QUOTED = LinePattern(r"^ {0,2}(?:[A-Za-z]{1,4})?>", holds=">")
_HEADERS = (
    "From|To|Cc|Subject|Date|Message-ID|Message-Id|In-Reply-To|References|Newsgroups|Organization"
    "|Sender|Reply-To|Return-Path|Received|Mime-Version|MIME-Version|Content-Type|Lines|Path"
)
_HEADER = LinePattern(
    rf"^ {{0,2}}(?:From [^\n]*\d{{4}}\s*$|(?:{_HEADERS}):[ \t])",
    opens=("From ", *(f"{name}:" for name in _HEADERS.split("|"))),
)
# Some programs quoted with other marks, which open tables and directives too.
_BARRED = LinePattern(r"^ {0,2}[|:}](?:[ \t]|\s*$)", opens="|:}")
# A signature, the line over a footer, an armour, a forwarded message.
_CLOSER = LinePattern(
    r"^(?:--\s*$|---\s*$|--\w[^\n]{0,40}$|[_=-]{10,}\s*$|-{3,} ?[A-Z]|%\s*$|[ \t]+-- \S)",
    opens=("%", *(one + other for one in "-_=" for other in "-_=")),
)

_IN_REPLY = (
    r"^ *(?:In-Reply-To|References):|^ *Subject:[ \t]*(?i:re|aw|sv|antw|rép|ref)(?:\[\d+\])?:"
)
_MBOX = r"^ *From "
# A line of encoded data; ">From" is no quotation but how a mailbox keeps its messages apart.
_ENCODED = r"^ {0,2}[A-Za-z]{0,4}>[^\s]{40,}\s*$"
_ADDRESSED = r"://"
_MANGLED = r"^>+From "
_DOCTEST = r"^>>>(?:[ \t]|\s*$)"
_PREFIX = re.compile(rb" {0,2}[A-Za-z]{0,4}>(?: ?[A-Za-z]{0,4}>)*+")
_MARK = re.compile(rb" {0,2}[A-Za-z]{0,4}>")
_BAR = re.compile(rb" {0,2}[|:}]")
_VERB = re.compile(
    r"\b(?:wrote|writes?|said|says|schrieb|schreibt|[ée]crit|escribió|escribe|scrive|scritto"
    r"|escreveu|skrev|schreef|napisał|napsal|пишет|писал|написал|kirjoitti|yazdı|scriveva|skriver|pisze|pisał[ae]?)\b|写道|書きました",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\S@\S| at \S+ dot ")
_DATED = re.compile(r"\d")
_SUPERCITED = re.compile(rb"[ ]{0,2}>{3,} [^\n]*(?:[:=]|writes|wrote|said)[^\n]*:\s*\Z")
_SNIPPED = re.compile(r"[\W\d]*(?:snip\w*|cut|deleted|gekürzt)?[\W\d]*", re.IGNORECASE)
_SENTENCE = re.compile(r"[.?!](?:\s|\Z)")
_SENTENCE_GOES_ON = re.compile(r"[a-z\d)\]]{3}[.?!]\s+[^\W\d_]|\]\(")
_LONG_LINE, _SHORT_REST = 60, 30
_MAX_ATTRIBUTION_LINES = 3
_MAX_ATTRIBUTION_BYTES = 400
_MAX_NAMED = 100
# More than that answers no one: it is the rest of a document that holds a letter.
_MAX_REPLY_BYTES = 20_000


class Quotation(NamedTuple):
    """Lines that are quoted with nothing but blank lines between them.

    Attributes:
      first: index of its first line among all quoted lines.
      last: index of its last line.
      head: number of the line where its attribution starts; its own first line without one.
      is_attributed: whether a line of attribution stands above it or opens it.
    """

    first: int
    last: int
    head: int
    is_attributed: bool


def find(candidates: Candidates) -> Sequence[Episode]:
    """Quotations in messages, with the replies below them."""
    lines = candidates.lines
    quoted = _quoted_lines(candidates)
    if len(quoted) == 0:
        return []
    quotations = list(_quotations(lines, quoted))
    closers, openers, replies = _edges(candidates)
    stops = np.sort(np.concatenate([closers, openers, [lines.n_lines]]))
    episodes: list[Episode] = []
    # Where the message that a quotation stands in begins, and where it shows that it is a reply.
    firsts = np.array([int(quoted[each.first]) for each in quotations])
    begins = _last_before(stops, firsts, lines.first_line[lines.document_of(firsts)])
    shown = _last_before(replies, firsts, np.full(len(firsts), -1))
    heads = [*(each.head for each in quotations[1:]), lines.n_lines]
    shows_at = -1
    for each, begin, replied, following in zip(
        quotations, begins.tolist(), shown.tolist(), heads, strict=True
    ):
        if each.is_attributed:
            shows_at = each.head
        if max(shows_at, replied) >= begin:
            episodes.extend(_episode(lines, quoted, stops, each, following))
        else:
            candidates.refuse([each.head], GAME, "nothing shows a reply: no attribution, no header")
    return episodes


def _quoted_lines(candidates: Candidates) -> Int64s:
    """int64 [n], the lines that are quoted; what merely opens with a ">" is left out."""
    lines = candidates.lines
    number, text = candidates.matching(_QUOTED)
    other = (text.str.contains(_ENCODED) & ~text.str.contains(_ADDRESSED)).to_numpy()
    other |= text.str.contains(_MANGLED).to_numpy()
    # Between other quoted lines it is quoted: a signature's armour, a line of code.
    document = lines.document_of(number)
    parts = np.diff(number, prepend=number[:1]) != 1
    run = np.cumsum(parts | (np.diff(document, prepend=document[:1]) != 0))
    other &= (np.bincount(run, weights=~other) == 0)[run]
    # A prompt, in a document with more of them than of other marks.
    is_prompt = text.str.contains(_DOCTEST).to_numpy()
    n_documents = len(lines.first_line) - 1
    n_prompts = np.bincount(document[is_prompt], minlength=n_documents)
    has_prompts = 2 * n_prompts > np.bincount(document, minlength=n_documents)
    is_other = other | (is_prompt & has_prompts[document])
    candidates.refuse(number[is_other], GAME, "encoded data, a prompt, or an escaped From")
    return np.union1d(number[~is_other], _barred_lines(candidates))


def _barred_lines(candidates: Candidates) -> Int64s:
    """int64 [n], the lines quoted with a bar or a colon, in documents that say so of one of them.

    Right above a line with the same mark stands a line of attribution.
    """
    lines = candidates.lines
    number, _ = candidates.matching(_BARRED)
    mark = lines.buffer[lines.content_start[number]].astype(np.int64)
    key = lines.document_of(number) * 256 + mark
    is_head = ~np.isin(number - 1, number) & ~np.isin(number, lines.first_line)
    above, _ = candidates.among(number[is_head] - 1, r":\s*$")
    floors = lines.first_line[lines.document_of(above)].tolist()
    said = [
        line + 1
        for line, floor in zip(above.tolist(), floors, strict=True)
        if _attribution(lines, line, floor, is_close=True) is not None
    ]
    return number[np.isin(key, key[np.isin(number, said)])]


def _edges(candidates: Candidates) -> tuple[Int64s, Int64s, Int64s]:
    """Lines that close a message, that open one's headers, and headers of a reply."""
    closers, _ = candidates.matching(_CLOSER)
    headers, text = candidates.matching(_HEADER)
    # Another document's last line is not above the first of this one.
    follows = np.isin(headers - 1, headers) & ~np.isin(headers, candidates.lines.first_line)
    is_followed = np.isin(headers + 1, headers[follows])
    is_mbox = text.str.contains(_MBOX).to_numpy()
    openers = headers[(is_followed | is_mbox) & ~follows]
    replies = headers[text.str.contains(_IN_REPLY).to_numpy() & (follows | is_followed)]
    return closers, openers, replies


def _last_before(places: Int64s, lines: Int64s, default: Int64s) -> Int64s:
    """int64 [n], the last of the places before each line, if it is not before the default."""
    at = places.searchsorted(lines) - 1
    return np.asarray(np.maximum(np.append(places, -1)[at], default), np.int64)


def _quotations(lines: Lines, quoted: Int64s) -> Iterator[Quotation]:
    """The quotations of all documents, with what is said of them right above."""
    place = lines.filled.searchsorted(quoted)
    document = lines.document_of(quoted)
    opens = np.ones(len(quoted) + 1, np.bool_)
    is_apart = (np.diff(place) > 1) & ~_is_wrapped(lines, quoted)
    opens[1:-1] = is_apart | (np.diff(document) > 0)
    edges = np.flatnonzero(opens).tolist()
    floors = lines.first_line[document]
    for first, end in itertools.pairwise(edges):
        line = int(quoted[first])
        is_opened = end - first > 1 and _is_supercited(_bytes(lines, line))
        above = int(lines.filled[place[first] - 1]) if place[first] else -1
        floor = int(floors[first])
        if first:
            floor = max(floor, int(quoted[first - 1]) + 1)
        head = _attribution(lines, above, floor, is_close=above == line - 1)
        is_attributed = is_opened or head is not None
        yield Quotation(first, end - 1, line if head is None else head, is_attributed)


def _is_wrapped(lines: Lines, quoted: Int64s) -> Bools:
    """Bool [n - 1], whether one short line between two is the rest of the long one above it.

    Mail programs broke quoted lines that had become too long, and did not quote the rest.
    """
    size = np.diff(lines.start)
    rest = np.minimum(quoted[:-1] + 1, lines.n_lines - 1)
    is_rest = (size[quoted[:-1]] >= _LONG_LINE) & (size[rest] <= _SHORT_REST)
    return np.asarray((np.diff(quoted) == 2) & is_rest & ~lines.is_blank[rest], np.bool_)


def _attribution(lines: Lines, last: int, floor: int, *, is_close: bool) -> int | None:
    """The first line of the attribution that ends in line `last`, if it is one.

    With a date or an address beside its verb it may stand apart from what it announces, as in
    prose a quotation does; a name and a verb alone may not.
    """
    if last < floor or not _bytes(lines, last).rstrip().endswith(b":"):
        return None
    first = last
    while first > floor and last - first < _MAX_ATTRIBUTION_LINES and not lines.opens[first]:
        first -= 1
    if not lines.opens[first] and first > floor:
        first = last
    start, end = int(lines.start[first]), int(lines.start[last + 1])
    if end - start > _MAX_ATTRIBUTION_BYTES:
        return None
    text = lines.buffer[start:end].tobytes().decode()
    n_signs = sum(sign.search(text) is not None for sign in (_VERB, _ADDRESS, _DATED))
    verb = _VERB.search(text)
    is_named = verb is not None and is_close and len(text) <= _MAX_NAMED
    # "Ann writes about 1984. She says:" is prose.
    goes_on = _SENTENCE_GOES_ON.search(text, 0 if verb is None else verb.end()) is not None
    is_sure = n_signs > 1 and not goes_on
    return first if is_sure or (is_named and first == last) else None


def _episode(
    lines: Lines, quoted: Int64s, stops: Int64s, quotation: Quotation, following: int
) -> Iterator[Episode]:
    """The quotation and its reply, if there is one."""
    last = int(quoted[quotation.last])
    document_end = int(lines.first_line[lines.document_of(np.array([last]))[0] + 1])
    stop = int(stops[stops.searchsorted(last, side="right")])
    end = min(following, stop, document_end)
    reply = trim(lines.data, int(lines.start[last + 1]), int(lines.start[end]))
    if not 0 < reply[1] - reply[0] <= _MAX_REPLY_BYTES or _is_empty(lines, *reply):
        return
    asked = list(_question(lines, int(quoted[quotation.first]), last))
    if asked:
        answer = Content(SegmentKind.ANSWER, 1, *reply)
        yield Episode(int(lines.start[quotation.head]), reply[1], (*asked, answer), CUE)


def _is_empty(lines: Lines, start: int, end: int) -> bool:
    """Whether a reply only says that something was left out, or who wrote."""
    if end - start > _MAX_NAMED:
        return False
    text = str(lines.data[start:end], "utf-8")
    is_signature = _ADDRESS.search(text) is not None and _SENTENCE.search(text) is None
    return is_signature or _SNIPPED.fullmatch(text) is not None


def _question(lines: Lines, first: int, last: int) -> Iterator[Content]:
    """What is quoted, line by line, without the marks of the level of its last line."""
    if first < last and _is_supercited(_bytes(lines, first)):
        first += 1
    texts = [_bytes(lines, line) for line in range(first, last + 1)]
    filled = [text for text in texts if _PREFIX.sub(b"", text, count=1).strip()]
    if not filled:
        return
    is_barred = _BAR.match(filled[-1]) is not None
    mark_of_level = _BAR if is_barred else _MARK
    depth = 1 if is_barred else len(_MARK.findall(_prefix(filled[-1])))
    for line, text in enumerate(texts, start=first):
        at = 0
        for _ in range(depth):
            mark = mark_of_level.match(text, at)
            if mark is None:
                break
            at = mark.end()
        start, end = trim(lines.data, int(lines.start[line]) + at, int(lines.start[line + 1]))
        if start < end:
            yield Content(SegmentKind.QUESTION, 0, start, end)


def _is_supercited(text: bytes) -> bool:
    """Whether a quoted line says whose words follow: ">>>>> Ann == Ann Lee writes:"."""
    return len(text) <= _MAX_ATTRIBUTION_BYTES and _SUPERCITED.match(text) is not None


def _prefix(text: bytes) -> bytes:
    match = _PREFIX.match(text)
    return b"" if match is None else match[0]


def _bytes(lines: Lines, line: int) -> bytes:
    return lines.buffer[lines.start[line] : lines.start[line + 1]].tobytes()


FAMILY = CueFamily(name=GAME, find=find)
