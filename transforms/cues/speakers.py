"""Who speaks: labels that recur and alternate at the start of lines, induced document by document.

No list of names is known. A label is a speaker's because of what the document does with it: it
recurs, another's follows it, in no fixed order, what it labels are sentences, and some of them ask.
Terms of a glossary do not recur, fields of records follow each other in one order, notes of a
manual stand far apart, and none of them asks.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from transforms.candidates import CAPITALS, DIGITS, LETTERS, Candidates, LinePattern
from transforms.cues.words import ANSWERS, ASKS
from transforms.lines import Int64s, Lines

GAME = "dialogue"

_TIME = (
    r"[\[(]?(?:\d{4}-\d\d-\d\d[T ]+|\d{1,2}[./]\d{1,2}[./]\d{2,4},?[ ]+)?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?Z?(?:[ ]?[AaPp][Mm])?[\])]?"
)
_NICK = r"[\p{L}_\[\]\\^{}|`][\w\[\]\\^{}|`.-]*"
_LONG_NICK = r"^.{32}"
_WORD = r"\p{Lu}[\p{L}\p{M}\d.'’&/-]*"
_LINK = r"(?:of|the|and|de|la|von|van|der|den|du|di|da|y|et|to|\d{1,3})"
_NAME = rf"(?:{_WORD}(?:,?[ ]{_WORD}|[ ]{_LINK})*|\p{{Lo}}[\p{{Lo}}\p{{M}}]*)"
_LONG_NAME = r"^(?:[^ ]* ){5}|^\p{Lo}.{12}"
_CAPITALS = r"\p{Lu}(?:[\p{Lu}\d'’&. -]{0,38}[\p{Lu}\d])?"
_PLAYED = r"\p{Lu}[\p{L}'’-]*(?:[ ]\p{Lu}[\p{L}'’-]*|[ ]\d){0,3}"
_TITLE = r"(?:(?:M(?:rs?|RS?|s|S)|D[rR]|S[tT])\.[ ])?"
_SAID_HOW = r"(?:[ ]?[(\[][^()\[\]\n]{1,60}[)\]])?"
_REST = r"(?:[ \t\p{Lo}]|\s*$)"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How a document writes its speakers.

    Attributes:
      name: for people.
      candidate: lines that may open with a label, cheap and wider than the pattern.
      pattern: Rust regular expression with the groups "lead", white space before the label,
        "mark", all of the label, and "name", the speaker in it.
      too_long: Rust regular expression of names that are none. Where nothing else tells how far a
        name goes, it costs less than a count in the pattern, which compiles to so many copies.
      is_log: whether each line is a message of its own.
      is_bare: whether no mark tells a label from a short line, but its place.
    """

    name: str
    candidate: LinePattern
    pattern: str
    too_long: str = ""
    is_log: bool = False
    is_bare: bool = False


FORMS = (
    Form(
        name="<nick>",
        candidate=LinePattern(
            r"^[ \t]*(?:[\[(]?\d[\d:./, TZAPMapm-]+[\])]?[ \t]+)?"
            r"<[ @+%&~]?[^\s<>/]+>[ \t]",
            opens="<[(" + DIGITS,
            holds=">",
        ),
        pattern=rf"^(?P<lead>[ \t]*)(?P<mark>(?:{_TIME}[ \t]+)?<[ @+%&~]?(?P<name>{_NICK})>)[ \t]",
        too_long=_LONG_NICK,
        is_log=True,
    ),
    Form(
        name="time",
        candidate=LinePattern(
            r"^[ \t]*[\[(]?\d[\d./, T-]*:[\d:./, TZAPMapm-]*[\])]?[ \t]+(?:- )?[^\s\d]",
            opens="[(" + DIGITS,
            holds=":",
        ),
        pattern=(
            rf"^(?P<lead>[ \t]*)(?P<mark>{_TIME}[ \t]+(?:-[ \t]+)?"
            rf"(?P<name>[\p{{L}}_][^:<>\t\n]{{0,40}}):)[ \t]"
        ),
        is_log=True,
    ),
    Form(
        name="name:",
        candidate=LinePattern(
            r"^[ \t]*[*_]{0,3}\[?[\p{Lu}\p{Lo}][^:：;=<>{}|\n]*[:：](?:[*_ \t\p{Lo}]|\s*$)",
            opens="*_[" + CAPITALS,
            holds=":：",
        ),
        pattern=(
            rf"^(?P<lead>[ \t]*)(?P<mark>[*_]{{0,3}}\[?(?P<name>{_NAME})\]?[*_]{{0,3}}{_SAID_HOW}"
            rf"[ ]?[:：][*_]{{0,3}}(?:[ \t]+{_TIME})?){_REST}"
        ),
        too_long=_LONG_NAME,
    ),
    Form(
        name="name.",
        candidate=LinePattern(
            r"^[ \t]*[*_]{0,3}" + _TITLE + r"\p{Lu}[\p{L}'’-]*(?: [\p{Lu}\d][\p{L}'’-]*)*\."
            r"(?:[*_ \t]|\s*$)",
            opens="*_" + CAPITALS,
        ),
        pattern=(
            rf"^(?P<lead>[ \t]*)(?P<mark>[*_]{{0,3}}(?P<name>{_TITLE}{_PLAYED})\.[*_]{{0,3}})"
            rf"{_REST}"
        ),
        is_bare=True,
    ),
    Form(
        name="NAME",
        candidate=LinePattern(
            r"^[ \t]*\p{Lu}[\p{Lu}\d'’&. -]*(?:\([^\n]*\)|\[[^\n]*\])?"
            r"(?:\t|  |\s*$)",
            opens=CAPITALS,
        ),
        pattern=rf"^(?P<lead>[ \t]*)(?P<mark>(?P<name>{_CAPITALS}){_SAID_HOW})(?:\t|[ ]{{2}}|\s*$)",
        is_bare=True,
    ),
    Form(
        name="name, time",
        candidate=LinePattern(
            r"^[ \t]*[*_]{0,3}\p{Lu}[^:\n]*\d{1,2}:\d{2}[\d:.)\] apmAPM]*\s*$",
            opens="*_" + CAPITALS,
            holds=(":", DIGITS),
        ),
        pattern=(
            rf"^(?P<lead>[ \t]*)(?P<mark>[*_]{{0,3}}(?P<name>{_NAME})[*_]{{0,3}},?[ \t]+{_TIME})"
            r"\s*$"
        ),
        too_long=_LONG_NAME,
    ),
    Form(
        name="nick, time",
        candidate=LinePattern(
            r"^[\p{Ll}][\w.-]*(?:[ ][\w.-]+)?(?:[ ]{2,}|\t|[ ]—[ ]|[ ]\[)[\d./, :-]*\d{1,2}:\d{2}"
            r"[\d:.)\] apmAPM]*\s*$",
            opens=LETTERS,
            holds=(":", DIGITS),
        ),
        pattern=(
            r"^(?P<lead>)(?P<mark>(?P<name>\p{Ll}[\w.-]{1,30}(?:[ ][\w.-]{1,20})?)"
            rf"(?:[ ]{{2,}}|\t|[ ]—[ ]|[ ]){_TIME})\s*$"
        ),
    ),
)

_PARTS = ("lead", "mark")
_KEY = ("document", "layout")

BREAK = LinePattern(
    r"^[ \t]*(?:%+|(?:[-=*_~] ?){3,})\s*$",
    opens=(
        "%",
        *(one + space + other for one in "-=*_~" for space in ("", " ") for other in "-=*_~"),
    ),
)
"""Lines that part what stands above from what stands below."""

# A word asks; "??" by itself fills in a form.
_MARK = r"[\p{L}\p{M}\p{N}\"'”’»)*_\]][?!？؟]*[?？؟]"
_ASKS = _MARK + r"(?:[\s\"'”’»)*_\]]|$)"
_ASKS_LAST = _MARK + r"[!\"'”’»)*_\]]*\s*$"
_ASKING = LinePattern(_ASKS_LAST, holds="?？؟")
_ENDS = r"[.?!…。？！—–-][\"'”’»)*_\]\\]*\s*$"

_MIN_LABELS = 4
_MIN_RECURRENCE = 2
_MAX_TURN_BYTES = 12_000
_ALWAYS = 0.9
# In 32 interviews, podcasts and plays, 17 to 49 % of speeches ask and 7 to 31 % end in a question;
# of the sections of docstrings that recur in a changing order, none ends in one.
_MIN_ASKING, _MIN_LAST_ASKING, _MIN_ASKING_IN_LOG = 0.12, 0.04, 0.02
_MIN_ENDING, _SURELY_ASKING = 0.6, 0.2
_MIN_CHANGES, _MIN_CHANGES_IN_LOG = 0.3, 0.15
_MIN_RECURRING = 0.6
_MAX_FIXED_ORDER = 0.95
# Who speaks less than that, beside the one who speaks most, leaves the order as it is.
_MIN_FREQUENT = 0.2
_MAX_PARAGRAPHS, _MAX_PARAGRAPHS_IF_BARE = 4.0, 1.6
_MAX_CLOSED = 0.25
# These stand where a speaker's name may, and open what nobody says.
_STAGE = r"^(?:ACT|SCENE|SCENA|ACTUS|ENTER|EXIT|EXEUNT|RE-ENTER|MANET|FLOURISH)\b"


@dataclasses.dataclass(frozen=True, eq=False)
class Speeches:
    """Labels of one form in one document that stand close enough to be one session.

    Attributes:
      form: how they are written.
      document: ordinal of the document.
      line: numbers of the labels' lines, ascending.
      start: byte offset of each label.
      body: byte offset of what follows it.
      speaker: the name of each, in capitals.
      asks: whether the first paragraph that follows asks.
      n_paragraphs: how many follow each, up to the next label.
    """

    form: Form
    document: int
    line: Sequence[int]
    start: Sequence[int]
    body: Sequence[int]
    speaker: Sequence[str]
    asks: Sequence[bool]
    n_paragraphs: Sequence[int]


def find_speeches(candidates: Candidates) -> Iterator[Speeches]:
    """The sessions of all documents, form by form."""
    for form in FORMS:
        number, text = _lines_of(candidates, form)
        if len(number) == 0:
            continue
        labels = _read_labels(candidates.lines, form, number, text)
        labels = _in_runs(candidates.lines, form, labels)
        # Paragraphs after labels of two layouts may overlap, those of one do not.
        for of_layout in labels.partition_by("layout", maintain_order=True):
            described = _with_speech(candidates.lines, of_layout)
            is_spoken = described.select(is_spoken=_is_spoken(form))["is_spoken"]
            silent = described.filter(~is_spoken)["line"].to_numpy()
            candidates.refuse(silent, GAME, "labels do not recur and alternate, or nobody asks")
            spoken = described.filter(is_spoken)
            for run in spoken.partition_by("run", maintain_order=True):
                if not _is_markup(candidates.lines, run):
                    yield _speeches(form, run)


def _lines_of(candidates: Candidates, form: Form) -> tuple[Int64s, pl.Series]:
    """The lines of a form, in documents that have enough of them and in which someone asks."""
    lines = candidates.lines
    may_ask = lines.shares_document(candidates.matching(_ASKING)[0])
    number = candidates.passing(form.candidate)
    number, text = candidates.among(number[may_ask[number]], form.candidate.pattern)
    document = lines.document_of(number)
    is_enough = np.bincount(document)[document] >= _MIN_LABELS
    return number[is_enough], text.filter(is_enough)


def _speeches(form: Form, run: pl.DataFrame) -> Speeches:
    columns = run.to_dict(as_series=False)
    names = ("line", "start", "body", "name", "asks", "n_paragraphs")
    return Speeches(form, columns["document"][0], *(columns[name] for name in names))


def _is_markup(lines: Lines, run: pl.DataFrame) -> bool:
    """Whether labels are tags: many are closed."""
    start, end = run["start"][0], run["body"][-1]
    n_closed = lines.buffer[start:end].tobytes().count(b"</")
    return n_closed > _MAX_CLOSED * len(run)


@functools.cache
def _groups(pattern: str) -> pl.Expr:
    # Making the expression compiles the pattern, which takes milliseconds.
    return pl.col("text").str.extract_groups(pattern).alias("groups")


def _read_labels(lines: Lines, form: Form, number: Int64s, text: pl.Series) -> pl.DataFrame:
    """The labels of a form, of documents in which enough of them recur.

    Labels are compared inside one layout: flush left or indented, emphasised or not, and where no
    colon tells them from other text, with speech in their line or without.
    """
    frame = pl.DataFrame({"line": number, "text": text})
    frame = frame.with_columns(_groups(form.pattern)).unnest("groups")
    frame = frame.filter(pl.col("name").is_not_null())
    if form.too_long:
        frame = frame.filter(~pl.col("name").str.contains(form.too_long))
    line = frame["line"].to_numpy()
    lead, mark = (frame[name].str.len_bytes().to_numpy().astype(np.int64) for name in _PARTS)
    start = lines.start[line] + lead
    has_speech = lines.slices(start + mark, lines.start[line + 1]).str.contains(r"\S")
    frame = frame.select(
        "line",
        pl.Series("start", start),
        pl.Series("body", start + mark),
        pl.Series("has_speech", has_speech),
        pl.Series("document", lines.document_of(line)),
        name=pl.col("name").str.strip_chars(" .*_").str.to_uppercase(),
        layout=pl.concat_str(
            pl.col("lead").str.len_bytes() > 0,
            pl.col("mark").str.extract("^([*_]*)"),
            pl.Series(has_speech & form.is_bare),
        ),
    )
    recurs = pl.len().over(*_KEY, "name") >= _MIN_RECURRENCE
    frame = frame.filter(~pl.col("name").str.contains(_STAGE)).with_columns(recurs=recurs)
    n_names = pl.col("name").filter("recurs").n_unique().over(*_KEY)
    n_recurring = pl.col("recurs").sum().over(*_KEY)
    return frame.filter((n_names >= _MIN_RECURRENCE) & (n_recurring >= _MIN_LABELS))


def _in_runs(lines: Lines, form: Form, labels: pl.DataFrame) -> pl.DataFrame:
    """Numbers the runs of labels that stand close together, and leaves chance labels out.

    Where speakers open paragraphs, all do. Who speaks once is a speaker only there, or in a log.
    """
    labels = labels.with_columns(opens=pl.Series(lines.opens[labels["line"].to_numpy()]))
    all_open = pl.col("opens").filter("recurs").mean().over(*_KEY) >= _ALWAYS
    is_kept = pl.lit(form.is_log) | pl.when(all_open).then("opens").otherwise("recurs")
    labels = labels.filter(is_kept).sort(*_KEY, "line")
    is_far = pl.col("start") - pl.col("body").shift(1) > _MAX_TURN_BYTES
    is_other = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in _KEY)
    return labels.with_columns(run=(is_far | is_other).fill_null(value=True).cum_sum())


def _with_speech(lines: Lines, labels: pl.DataFrame) -> pl.DataFrame:
    """Adds what follows each label of one layout, and what its first paragraph is like."""
    line = labels["line"].to_numpy()
    has_speech = labels["has_speech"].to_numpy()
    document_end = lines.first_line[labels["document"].to_numpy() + 1]
    following = np.minimum(np.append(line[1:], lines.n_lines), document_end)
    first = np.minimum(np.where(has_speech, line, lines.next_filled(line)), following)
    last = np.maximum(np.minimum(lines.next_blank(first), following), line + 1)
    body = labels["body"].to_numpy()
    speech = lines.slices(body, np.maximum(body, lines.start[last]))
    openers = lines.openers
    between = openers.searchsorted(following) - openers.searchsorted(line, side="right")
    is_apart = ~has_speech & lines.closes[line]
    labels = labels.with_columns(
        asks=speech.str.contains(_ASKS),
        last_asks=speech.str.contains(_ASKS_LAST),
        ends=speech.str.contains(_ENDS),
        n_paragraphs=pl.Series(between + np.where(is_apart, 0, 1)),
        follower=pl.col("name").shift(-1).over("run"),
    )
    # What nothing follows is no speech.
    return labels.filter(speech.str.contains(r"\S"))


def _is_spoken(form: Form) -> pl.Expr:
    """Bool [n], whether the run of each label is a session of speakers."""
    has_follower = pl.col("follower").is_not_null()
    recurs = pl.len().over("run", "name") >= _MIN_RECURRENCE
    n_names = pl.col("name").filter(recurs).n_unique()
    # How often a name is followed by the one that mostly follows it: always, in records.
    n_followed = pl.len().over("run", "name", "follower")
    is_usual = n_followed == n_followed.max().over("run", "name")
    fixed_order = is_usual.filter(has_follower).mean()
    n_labels = pl.len().over("run", "name")
    is_frequent = n_labels >= _MIN_FREQUENT * n_labels.max().over("run")
    n_frequent = pl.col("name").filter(is_frequent).n_unique()
    changes = (pl.col("name") != pl.col("follower")).filter(has_follower).mean()
    first_word = pl.col("name").str.extract(r"^(\p{L}*)").str.to_lowercase()
    in_pairs = first_word.is_in([*ASKS]).any() & first_word.is_in([*ANSWERS]).any()
    asks, last_asks = pl.col("asks").mean(), pl.col("last_asks").mean()
    tests = [
        pl.len() >= _MIN_LABELS,
        n_names >= _MIN_RECURRENCE,
        recurs.mean() >= _MIN_RECURRING,
        last_asks >= (_MIN_ASKING_IN_LOG if form.is_log else _MIN_LAST_ASKING),
        changes >= (_MIN_CHANGES_IN_LOG if form.is_log else _MIN_CHANGES),
        (n_frequent <= _MIN_RECURRENCE) | (fixed_order < _MAX_FIXED_ORDER),
        # "Q:" and "A:" are another family's, and so is "Question: ... Options: ...".
        ~in_pairs,
        ~first_word.is_in(["options", "choices"]).any(),
    ]
    if not form.is_log:
        is_plain = pl.col("layout").str.contains("^(?:true|false)[tf]").first() & form.is_bare
        limit = pl.when(is_plain).then(_MAX_PARAGRAPHS_IF_BARE).otherwise(_MAX_PARAGRAPHS)
        tests += [
            asks >= _MIN_ASKING,
            (pl.col("ends").mean() >= _MIN_ENDING) | (asks >= _SURELY_ASKING),
            pl.col("n_paragraphs").mean() <= limit,
        ]
    is_session = pl.all_horizontal(test.over("run") for test in tests)
    # Who speaks once neither opens nor closes a session: a title does, or a list of persons.
    recurring_line = pl.when(recurs).then("line")
    is_inside = pl.col("line").is_between(
        recurring_line.min().over("run"), recurring_line.max().over("run")
    )
    return is_session & is_inside
