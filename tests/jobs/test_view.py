import io
import json
import re
import sys
import unicodedata

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from jobs.view import (
    Segment,
    escape,
    escape_json,
    in_colour,
    show_heading,
    show_legend,
    show_segments,
)
from schemas.episode import SegmentKind

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
IGNORED = "\u034f\u115f\u2800\u3164\ufe0f\uffa0\U000e0100"
UNSEEN = IGNORED + "\u200b\u200c\u200d\u2060\u00ad\u2028\U000e0001\U000e0041\U000e007f"
HOSTILE = (
    UNSEEN + "\x1b[2J\x9b31m\x07\x7f\r\u202eevil" + BIDIRECTIONAL + "[bold]x[/bold]:smile:\ud800"
)
IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
STYLING = re.compile(r"\x1b\[[\d;]*m")

any_text = st.text(st.characters(exclude_categories=())) | st.text(alphabet=HOSTILE + "\n\t ")
kinds = st.sampled_from([kind.value for kind in SegmentKind])


def console(*, colour: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=80,
        force_terminal=colour,
        color_system="standard" if colour else None,
        _environ={},
    )


def printed(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def is_unseen(c: str) -> bool:
    return (
        unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}
        or IGNORABLE.fullmatch(c) is not None
        or c == "\u2800"
    )


def is_safe(text: str) -> bool:
    return not any(is_unseen(c) for c in text if c not in "\n\t")


@settings(deadline=None)  # machines are shared
@given(any_text)
@example(HOSTILE)
def test_escaped_text_holds_no_control_and_no_bidirectional_character(text):
    assert is_safe(escape(text))
    escape(text).encode()


def test_no_character_that_shows_nothing_is_left_unseen():
    unseen = [c for c in map(chr, range(0x80, sys.maxunicode + 1)) if is_unseen(c)]
    assert len(unseen) > 4_000
    assert escape("".join(unseen)) == "".join(f"<U+{ord(c):04X}>" for c in unseen)


@given(any_text)
@example(HOSTILE)
def test_escaped_json_is_the_same_value_and_safe(text):
    written = json.dumps(text, ensure_ascii=False)
    assert is_safe(escape_json(written))
    assert json.loads(escape_json(written)) == text


@settings(deadline=None)  # machines are shared
@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_ordinary_text_is_shown_as_it_is(text):
    assert escape(text) == "".join(f"<U+{ord(c):04X}>" if is_unseen(c) else c for c in text)


@settings(deadline=None)  # machines are shared
@given(st.lists(st.tuples(kinds, any_text, any_text)), any_text, st.booleans())
@example([("answer", HOSTILE, HOSTILE)], HOSTILE, True)
@example([("answer", HOSTILE, HOSTILE)], HOSTILE, False)
def test_only_our_own_styling_reaches_the_terminal(parts, heading, colour):
    target = console(colour=colour)
    show_heading(target, heading)
    show_segments(
        target,
        [Segment(kind=k, text=t, game=c, episode=i, cue=c) for i, (k, t, c) in enumerate(parts)],
    )
    shown = printed(target)
    assert is_safe(STYLING.sub("", shown) if colour else shown)


@settings(deadline=None)  # machines are shared
@given(st.lists(st.tuples(kinds, any_text)))
@example([("text", "fine\n[A|label] forged\n‹episode 0: label›\n── other ──")])
def test_without_colour_no_text_passes_for_a_tag(parts):
    target = console(colour=False)
    show_segments(target, [Segment(kind=kind, text=text) for kind, text in parts])
    n_shown = sum(bool(escape(text).strip()) for _, text in parts)
    lines = printed(target).rstrip("\n").split("\n") if n_shown else []
    assert sum(not line.startswith("    ") for line in lines) == n_shown


@settings(deadline=None)  # machines are shared
@given(st.lists(st.tuples(kinds, st.text("ab [/]\n\\:é"), st.none())))
def test_in_colour_the_text_is_whole(parts):
    target = console(colour=True)
    show_segments(target, [Segment(kind=kind, text=text) for kind, text, _ in parts])
    whole = "".join(text for _, text, _ in parts)
    assert STYLING.sub("", printed(target)).removesuffix("\n") == whole.removesuffix("\n")


EPISODE = [
    Segment(kind="marker", text="Q: ", game="label", episode=0, cue="Q:"),
    Segment(kind="question", text="Why?", game="label", episode=0, cue="Q:"),
    Segment(kind="delimiter", text="<eos>", game="label", episode=0, cue="Q:"),
    Segment(kind="marker", text="\n", game="label", episode=0, cue="Q:"),
    Segment(kind="reasoning", text="One\ntwo.", game="label", episode=0, cue="Q:"),
    Segment(kind="answer", text="Because.", game="label", episode=0, cue="Q:"),
    Segment(kind="text", text="\nThe end.\n"),
]


def test_piped_episode_is_a_tagged_line_a_segment():
    target = console(colour=False)
    show_segments(target, EPISODE)
    assert printed(target) == (
        "‹episode 0: label, cue 'Q:'›\n"
        "[marker|label] Q:\n"
        "[Q|label] Why?\n"
        "[delimiter|label] <eos>\n"
        "[C|label] One\n"
        "    two.\n"
        "[A|label] Because.\n"
        "[text] The end.\n"
    )


def test_every_kind_has_a_look_of_its_own_in_colour():
    looks = set()
    for kind in ("question", "reasoning", "answer", "text", "marker", "delimiter"):
        target = console(colour=True)
        show_segments(target, [Segment(kind=kind, text="x")])
        looks.add(printed(target).partition("x")[0])
    assert len(looks) == 6
    assert "" in looks  # nature's text


@pytest.mark.parametrize("colour", [False, True])
def test_legend_uses_the_looks_of_the_segments(colour):
    target = console(colour=colour)
    show_legend(target)
    legend = printed(target)
    show_segments(target, [Segment(kind="question", text="x")])
    look = printed(target)[len(legend) :].partition("x")[0].rstrip()
    assert look
    assert look in legend


# A pipe; NO_COLOR on a terminal; a terminal that knows no colour; an ordinary terminal.
@pytest.mark.parametrize(
    ("is_terminal", "environment", "expected"),
    [
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm"}, True),
    ],
)
def test_colour_follows_the_terminal_and_no_color(is_terminal, environment, expected):
    target = Console(file=io.StringIO(), force_terminal=is_terminal, _environ=environment)
    assert in_colour(target) is expected


def test_long_text_is_shortened_around_its_middle():
    target = console(colour=False)
    text = "".join(f"line {number}\n" for number in range(10))
    show_segments(target, [Segment(kind="text", text=text)], text_lines=4)
    assert [line.strip() for line in printed(target).splitlines()] == [
        "[text] line 0",
        "line 1",
        "… 6 lines …",
        "line 8",
        "line 9",
    ]


def test_answers_are_never_shortened():
    target = console(colour=False)
    show_segments(target, [Segment(kind="answer", text="x\n" * 10)], text_lines=4)
    assert printed(target).count("x") == 10


def test_long_lines_are_not_cut_in_a_pipe():
    target = console(colour=False)
    show_segments(target, [Segment(kind="text", text="word " * 100 + "end")])
    assert printed(target) == "[text] " + "word " * 100 + "end\n"
