"""Questions in plain lines that stand alone, numbered or not, without any markup.

Three layouts are told apart by what follows the question: a blank line ("spaced"), a body that is
indented deeper ("hanging"), or a body right below at the same indentation ("flat").
"""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from transforms.candidates import Candidates
from transforms.cues.blocks import ASKS as ASKS
from transforms.cues.blocks import (
    Layout,
    Questions,
    asks_later,
    asks_surely,
    read_questions,
)
from transforms.cues.entries import is_entry
from transforms.cues.family import Episode, pair
from transforms.cues.relisted import is_relisted
from transforms.cues.section_ends import section_ends
from transforms.cues.wordless import AnswerEnds, has_words
from transforms.lines import Bools, Int64s, Lines

_FAQ = (
    r"(?i:faqs?|frequently asked questions"
    r"|common questions|questions (?:and|&) answers|q ?(?:&|and) ?a|foire aux questions"
    r"|questions fréquentes|questions fréquemment posées|häufig gestellte fragen|häufige fragen"
    r"|fragen und antworten|preguntas (?:más )?frecuentes|perguntas (?:mais )?frequentes"
    r"|domande frequenti|veelgestelde vragen|часто задаваемые вопросы|вопросы и ответы"
    r"|常见问题|常見問題|よくある質問|자주 묻는 질문)"
)
_FAQ_TITLE = rf"(?i:^[^\w\n]*(?:[\p{{L}}\p{{N}}'.+-]+ )*{_FAQ}(?:[^\p{{L}}\n.?!][^\n.?!]*)?\s*$)"
"""Rust regular expression of the titles of lists of questions."""

_QUIZ = r"(?i:quiz|trivia|riddles|drill)"
_QUIZ_TITLE = rf"(?i:^[^\w\n]*(?:[\p{{L}}\p{{N}}'.+-]+ ){{0,4}}{_QUIZ}\s*$)"

GAME = "heading"

_KEY = r"[\"'`‘“<(\[][?？][\"'`’”>)\]]\s*$"
"""Lines that end in a question mark that is itself what is meant: a key, a character."""

_UNDERLINE = re.compile(rb"[ \t]{0,12}([-=~^\"*_+#])\1{3,}[ \t]*\r?\n")
_IDENTIFIER = re.compile(r"(?=.*[._])[^\W\d][\w.]*")
_MIN_SPACED = 2
_MIN_FLAT = 3
# Of the questions beside a paragraph that asks, so many must be wrapped too.
_MIN_WRAPPED = 0.2
_MIN_ALIKE, _SLACK = 0.3, 4
# Without a number, a question of several lines or without its mark is less sure, and a bullet
# opens many things.
_MIN_DOUBTFUL = 3
_MIN_ENTRIES = 4
# Among peers of one shape, this share must ask.
_MAJORITY, _HALF = 0.6, 0.5
# A page of questions and answers asks at least this often; prose that asks now and then does not.
_MAX_ANSWER_BYTES = 8_000
_MOSTLY = 2 / 3
_MAX_TITLE_BYTES = 120


def find_standing(candidates: Candidates) -> Iterator[Episode]:
    """Questions in plain lines with what stands below them."""
    lines = candidates.lines
    questions = candidates.once(read_questions)
    passages = questions.where(questions.is_passage)
    statements = questions.where(questions.is_statement)
    questions = questions.where(~(questions.is_passage | questions.is_statement))
    if len(questions.line) == 0:
        return
    has_body = _has_body(candidates, questions)
    questions = _kept(candidates, questions, has_body, "nothing below that answers")
    is_key = lines.matching(questions.last, _KEY)
    questions = _kept(candidates, questions, ~is_key, "a question mark in quotes")
    is_todo = is_entry(candidates, questions)
    questions = _kept(candidates, questions, ~is_todo, "an entry of a list that seldom asks")
    is_other = _is_summary(candidates, questions)
    questions = _kept(candidates, questions, ~is_other, "says what the name above it is")
    titles = _faq_titles(lines, questions)
    # An entry of a table of contents is one that the next may follow, and no question itself. To
    # tell takes a look at all lines of the document, so only where there is a list.
    is_near = np.isin(questions.document, questions.document[_is_listed(lines, questions, titles)])
    is_contents = np.zeros(len(questions.line), np.bool_)
    is_contents[is_near] = is_relisted(lines, questions.line[is_near], questions.last[is_near])
    questions = _kept(candidates, questions, ~is_contents, "an entry of a table of contents")
    is_listed = _is_listed(lines, questions, titles)
    questions = _kept(candidates, questions, is_listed, "too few like it that ask")
    is_within = _is_within(questions)
    questions = _kept(candidates, questions, ~is_within, "asks inside a numbered answer")
    if len(questions.line) == 0:
        return
    is_asked = _is_among(lines, passages, questions)
    questions = questions.beside(_kept(candidates, passages, is_asked, "a paragraph that asks"))
    is_titled = _is_titled(lines, statements, titles)
    fills = _fill_gaps(statements, questions, is_titled)
    questions = questions.beside(statements.where(fills))
    ends = section_ends(candidates, questions)
    answer_ends = candidates.once(AnswerEnds)
    places = (questions.line, questions.last, questions.start, questions.end, ends)
    for line, last, start, end, answer_end in zip(*(each.tolist() for each in places), strict=True):
        below = int(lines.start[last + 1])
        body = below + len(_underline(lines.data, below))
        body_end = int(lines.start[answer_ends.end(last + 1, answer_end)])
        if body < body_end and has_words(lines, body, body_end):
            opening = int(lines.content_start[line])
            yield pair((start, end), (body, body_end), start=opening, cue="line?")


def _underline(data: memoryview, start: int) -> bytes:
    """The line at a byte offset if it underlines the one above, else none of it."""
    found = _UNDERLINE.match(data, start)
    return b"" if found is None else found[0]


def _kept(candidates: Candidates, questions: Questions, keep: Bools, why_not: str) -> Questions:
    """Those that are kept, [n] bools; says why the others are not."""
    candidates.refuse(questions.line[~keep], GAME, why_not)
    return questions.where(keep)


def _is_among(lines: Lines, passages: Questions, questions: Questions) -> Bools:
    """Bool [n], whether each paragraph that asks stands among more plain questions like it.

    Like it are questions in as narrow a column, of which many are wrapped as well, or some above
    whose answers hang deeper too. Elsewhere it is rhetoric.
    """
    n_alike, n_passages = Counter(questions.key.tolist()), Counter(passages.key.tolist())
    wrapped = questions.where(questions.is_wrapped)
    n_wrapped = Counter(wrapped.key.tolist())
    column: dict[int, int] = {}
    for key, width in zip(wrapped.key.tolist(), _width(lines, wrapped).tolist(), strict=True):
        column[key] = max(column.get(key, 0), width)
    hanging = questions.where(questions.layout == Layout.HANGING)
    n_hanging = Counter(hanging.key.tolist())
    hangs = passages.layout == Layout.HANGING
    is_apart = ~np.isin(passages.body, np.append(questions.line, passages.line))
    is_apart &= passages.body < lines.first_line[passages.document + 1]
    widths = _width(lines, passages).tolist()
    is_like = [
        n_hanging[key] >= max(_MIN_FLAT, n_passages[key])
        if is_hanging
        else (
            n_alike[key] >= _MIN_ALIKE * n_passages[key]
            and n_wrapped[key] >= max(1, _MIN_WRAPPED * n_alike[key])
            and width <= column[key] + _SLACK
        )
        for key, width, is_hanging in zip(
            passages.key.tolist(), widths, hangs.tolist(), strict=True
        )
    ]
    is_apart &= hangs | (passages.layout == Layout.SPACED)
    is_among: Bools = is_apart & np.array(is_like, np.bool_)
    return is_among


def _fill_gaps(statements: Questions, questions: Questions, is_titled: Bools) -> Bools:
    """Bool [n], whether the numbers of statements are all that is missing between two that ask.

    In a list of questions by its title, bool [n], those before the first one are missing too.
    """
    fills = np.zeros(len(statements.line), np.bool_)
    by_key: dict[int, list[tuple[int, int, int]]] = {}
    for ordinal, each in enumerate((statements, questions)):
        for i, (key, line, number) in enumerate(
            zip(each.key.tolist(), each.line.tolist(), each.number.tolist(), strict=True)
        ):
            if number:
                by_key.setdefault(key, []).append((line, number, -1 if ordinal else i))
    for items in by_key.values():
        n_asked = 0
        expected, filling = 1, list[int]()
        for _, number, i in sorted(items):
            if number == expected and i >= 0 and (n_asked or is_titled[i]):
                filling.append(i)
                expected += 1
            elif i < 0:
                n_asked += 1
                if number == expected:
                    fills[filling] = True
                expected, filling = number + 1, []
    return fills


def _width(lines: Lines, questions: Questions) -> Int64s:
    """int64 [n], the bytes of the longest line of each but its last."""
    sizes = np.append(np.diff(lines.start), 0)
    ranges = np.stack([questions.line, questions.last], axis=1).ravel()
    width = np.maximum.reduceat(sizes, ranges)[::2] if len(ranges) else ranges
    return np.asarray(width, np.int64)


def _has_body(candidates: Candidates, questions: Questions) -> Bools:
    """Bool [n], whether something other than the next question stands below each.

    The line after two bare questions is bare too, whatever follows: it closes a table of
    contents. A heading right below belongs to what follows it: nobody answered.
    """
    lines = candidates.lines
    if len(questions.line) == 0:
        return np.zeros(0, np.bool_)
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    is_inside = questions.body < lines.first_line[questions.document + 1]
    is_within = is_inside & ~np.isin(questions.body, headings)
    at = np.minimum(np.searchsorted(questions.line, questions.body), len(questions.line) - 1)
    is_bare = questions.line[at] == questions.body
    # A numbered line without a mark is the next question among its like, else a step of the answer.
    is_bare &= questions.is_marked[at] | (questions.key[at] == questions.key)
    # An item below which the next one stands has no body of its own.
    is_bare |= _is_peer_item(lines, questions)
    is_bare &= is_inside
    is_second = is_bare & np.isin(questions.line, questions.body[is_bare])
    # Where numbers start again, or the shape is another, the list itself begins.
    goes_on = is_second & (questions.key[at] == questions.key)
    goes_on &= (questions.number[at] > questions.number) | (questions.number == 0)
    closes_run = np.isin(questions.line, questions.body[goes_on])
    usable: Bools = is_within & ~is_bare & ~(closes_run & (questions.layout != Layout.HANGING))
    return usable


def _is_peer_item(lines: Lines, questions: Questions) -> Bools:
    """Bool [n], whether below each bullet stands the same bullet, no deeper."""
    below = np.minimum(questions.body, lines.n_lines - 1)
    bullet = r"^[ \t]*([*+•◦‣●■▪○→»o-])[ \t]"
    above_text, below_text = (lines.texts(each) for each in (questions.line, below))
    same = above_text.str.extract(bullet, 1) == below_text.str.extract(bullet, 1)
    is_peer: Bools = same.fill_null(False).to_numpy() & (lines.indent[below] <= questions.indent)
    return is_peer


def _is_summary(candidates: Candidates, questions: Questions) -> Bools:
    """Bool [n], whether each is the first line below a heading that names something of a program.

    "Is this a subtype?" below `types.is_subtype` says what the function answers; the text below
    says how, and answers nothing.
    """
    named = [each.last_line for each in candidates.outline if _IDENTIFIER.fullmatch(each.title)]
    lines, names = candidates.lines, np.array(named, np.int64)
    below = lines.next_filled(names)
    is_inside = below < lines.first_line[lines.document_of(names) + 1]
    return np.isin(questions.line, below[is_inside])


def _is_listed(lines: Lines, questions: Questions, titles: Int64s) -> Bools:
    """Bool [n], whether enough peers in the same document ask as often as a list of questions.

    Args:
      lines: of all documents.
      questions: those that are compared.
      titles: int64 [m], the lines that say that questions follow, ascending.
    """
    if len(questions.line) == 0:
        return np.zeros(0, np.bool_)
    frame = _with_peers(_described(lines, questions, titles))
    asks, inside = pl.col("asks"), pl.col("inside")
    n_marked, n_asking = pl.col("n_marked"), pl.col("n_asking")
    is_dense = pl.col("span") <= n_asking.cast(pl.Int64) * _MAX_ANSWER_BYTES
    minimum = pl.when(pl.col("bullet") | (2 * pl.col("n_doubtful") > n_marked))
    is_enough = n_marked >= minimum.then(_MIN_DOUBTFUL).otherwise(_MIN_SPACED)
    is_enough &= (2 * pl.col("n_doubtful") <= n_marked) | (
        pl.col("n_words") >= _MAJORITY * n_marked
    )
    is_enough = pl.when("flat").then(pl.col("n_flat") >= _MIN_FLAT).otherwise(is_enough)
    # Peers without a mark ask where most have one, or where most open with a word that asks.
    is_chain = pl.col("n_counted") >= _MOSTLY * pl.col("n_inside")
    is_list = n_asking >= pl.when(is_chain).then(_HALF).otherwise(_MAJORITY) * pl.col("n_inside")
    is_worded = (n_asking >= _MIN_DOUBTFUL) & (2 * pl.col("n_sure") >= n_asking)
    is_worded &= ~pl.col("plain") | pl.col("titled") | (2 * n_marked >= n_asking)
    is_unmarked = is_list & inside & ((n_marked >= _MAJORITY * n_asking) | is_worded)
    is_unmarked &= ~pl.col("plain") | (asks & (pl.col("layout") == pl.col("usual")))
    # Where the page's title says so, all that count on are questions: "3. Installing it".
    is_entry = pl.col("headed") & (pl.col("number") > 0) & (pl.col("n_peers") >= _MIN_ENTRIES)
    is_entry &= pl.col("n_counted") >= _MOSTLY * pl.col("n_peers")
    # Beyond the last that asks stand the history and the licence.
    is_entry &= inside | (n_asking == 0)
    kept = (
        pl.when("marked")
        .then(is_enough | (is_unmarked & is_worded))
        .otherwise(is_unmarked & ((n_marked >= _MIN_SPACED) | is_worded))
    )
    is_kept = (kept & is_dense).fill_null(False) | is_entry
    return frame.select(is_kept.alias("kept"))["kept"].fill_null(False).to_numpy()


def _described(lines: Lines, questions: Questions, titles: Int64s) -> pl.DataFrame:
    """A row a question, with what tells whether it asks and which are its peers, by key."""
    is_counted = questions.number > 0
    opens = questions.opens_asking
    later = (is_counted | questions.is_wrapped) & asks_later(lines, questions)
    opens = opens | later
    return pl.DataFrame(
        {
            "key": questions.key,
            "number": questions.number,
            "flat": questions.layout == Layout.FLAT,
            "layout": questions.layout,
            "start": lines.start[questions.line],
            "marked": questions.is_marked,
            "asks": questions.is_marked | opens,
            "sure": (questions.opens_asking & asks_surely(lines, questions)) | (later & is_counted),
            "word": opens,
            "wrapped": questions.is_wrapped,
            "plain": questions.shape == 0,
            "bullet": questions.shape >= 64,
            "titled": _is_titled(lines, questions, titles),
            "headed": _is_headed(lines, questions),
        }
    )


def _with_peers(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds to each question whether it stands in the run of its peers, and totals over them."""
    asks = pl.col("asks")
    asking_start = pl.col("start").filter(asks)
    low, high = asking_start.min(), asking_start.max()
    # Outside the run of questions stand introductions and licences.
    frame = frame.with_columns(inside=pl.col("start").is_between(low.over("key"), high.over("key")))
    inside = pl.col("inside")
    per_key = frame.group_by("key").agg(
        n_marked=pl.col("marked").sum(),
        n_asking=asks.sum(),
        n_flat=pl.col("flat").sum(),
        n_peers=pl.len(),
        n_sure=pl.col("sure").sum(),
        n_inside=inside.sum(),
        n_doubtful=(pl.col("marked") & pl.col("wrapped") & pl.col("plain")).sum(),
        n_words=(pl.col("word") & pl.col("marked")).sum(),
        usual=pl.col("layout").filter(asks).mode().sort().first(),
        # Numbers that count on without a gap are one list.
        n_counted=((pl.col("number") > 0) & (pl.col("number").diff() == 1)).sum(),
        span=high - low,
    )
    return frame.join(per_key, on="key", how="left", maintain_order="left")


def _is_titled(lines: Lines, questions: Questions, titles: Int64s) -> Bools:
    """Bool [n], whether a title above each in its document says that questions follow."""
    first = np.searchsorted(titles, lines.first_line[questions.document])
    is_titled: Bools = np.searchsorted(titles, questions.line) > first
    return is_titled


def _is_headed(lines: Lines, questions: Questions) -> Bools:
    """Bool [n], whether each stands in a document that opens with such a title, or a quiz's."""
    first = lines.first_line[questions.document]
    head = lines.next_filled(np.maximum(first, 1) - 1)
    head = np.where(lines.is_blank[first], head, first)
    number = np.unique(head[head < lines.n_lines])
    quizzes = number[lines.matching(number, _QUIZ)]
    quizzes = quizzes[lines.matching(quizzes, _QUIZ_TITLE)]
    return np.isin(head, np.append(_titles(lines, number), quizzes))


def _faq_titles(lines: Lines, questions: Questions) -> Int64s:
    """int64 [n], the lines that say that questions follow, in documents with some; ascending."""
    is_head = lines.opens & ~lines.is_blank & (np.diff(lines.start) <= _MAX_TITLE_BYTES)
    return _titles(lines, np.flatnonzero(is_head & lines.shares_document(questions.line)))


def _titles(lines: Lines, number: Int64s) -> Int64s:
    """Those of some lines, int64 [n], that are titles of lists of questions."""
    # All of a title takes milliseconds to compile, and few lines say what it says.
    number = number[lines.matching(number, _FAQ)]
    return number[lines.matching(number, _FAQ_TITLE)]


def _is_within(questions: Questions) -> Bools:
    """Bool [n], whether each is rhetoric inside a list of questions of another shape.

    A block without a number or a mark between numbered ones is part of an answer.
    """
    frame = pl.DataFrame(
        {"key": questions.key, "document": questions.document, "line": questions.line}
    ).with_columns(is_plain=pl.Series(questions.shape == 0))
    spans = (
        frame.filter(~pl.col("is_plain"))
        .group_by("document", "key")
        .agg(low=pl.col("line").min(), n=pl.len())
        .sort("document", "n", descending=[False, True])
        .unique("document", keep="first", maintain_order=True)
    )
    n_plain = frame.filter("is_plain").group_by("document").agg(n_plain=pl.len())
    frame = frame.join(
        spans.select("document", "low", "n"), "document", "left", maintain_order="left"
    )
    frame = frame.join(n_plain, "document", "left", maintain_order="left")
    is_within = (
        pl.col("is_plain")
        & (pl.col("line") > pl.col("low"))
        & (pl.col("n") >= _MIN_DOUBTFUL)
        & (pl.col("n") >= pl.col("n_plain"))
    )
    return frame.select(is_within.fill_null(False).alias("within"))["within"].to_numpy()
