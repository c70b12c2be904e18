import pytest

from tests.transforms.segmenting import games, pairs, seen


def test_a_session_is_one_episode_of_many_turns():
    text = "Try:\n\n>>> 1 + 1\n2\n>>> x = 3\n>>> x\n3\n\n>>> x + 1\n4\n\nDone.\n"
    assert pairs(text) == [("1 + 1", "2", "x = 3\n>>> x", "3", "x + 1", "4")]
    assert [span.turn for span in seen(text) if span.kind in ("question", "answer")] == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


def test_prompts_are_markers():
    assert [(span.kind, span.player, span.text) for span in seen(">>> a\nb\n>>> c\nd\n")] == [
        ("marker", 0, ">>>"),
        ("marker", 0, " "),
        ("question", 1, "a"),
        ("marker", 2, "\n"),
        ("answer", 2, "b"),
        ("marker", 1, "\n"),
        ("marker", 1, ">>>"),
        ("marker", 1, " "),
        ("question", 1, "c"),
        ("marker", 2, "\n"),
        ("answer", 2, "d"),
        ("text", 0, "\n"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Continuations, an empty one too.
        (
            ">>> for i in x:\n...     f(i)\n...\n1\n",
            [("for i in x:\n...     f(i)\n...", "1")],
        ),
        # Indented, in a docstring that closes right below.
        ('    """\n    >>> f()\n    1\n    """\n', [("f()", "1")]),
        # Output of several lines, indented deeper.
        (">>> f()\n{1:\n   2}\n\ntext\n", [("f()", "{1:\n   2}")]),
        # A trailing example without output stays outside.
        (">>> f()\n1\n>>> g()\n", [("f()", "1")]),
        # Prose between makes two sessions.
        (">>> f()\n1\n\ntext\n\n>>> g()\n2\n", [("f()", "1"), ("g()", "2")]),
        # So does another indentation.
        (">>> f()\n1\n\n    >>> g()\n    2\n", [("f()", "1"), ("g()", "2")]),
        # Dots in the output are not a continuation.
        (
            ">>> f()\nTraceback (most recent call last):\n  ...\nValueError: x\n>>> 1\n1\n",
            [("f()", "Traceback (most recent call last):\n  ...\nValueError: x", "1", "1")],
        ),
        # A prompt at which nothing was typed ends no session.
        (">>> f()\n1\n>>>\n>>> g()\n2\n", [("f()", "1", "g()", "2")]),
        ("\t>>> f()\r\n\t1\r\n", [("f()", "1")]),
        (">>> f()\n1", [("f()", "1")]),
    ],
)
def test_sessions(text, expected):
    assert pairs(text) == expected
    assert games(text) == {"doctest"}


@pytest.mark.parametrize(
    "text",
    [
        ">>> f()\n>>> g()\n",  # no output at all
        ">>> f()\n",
        ">>>\ntext\n",  # nothing typed
        "... and so on\nmore\n",
        ">>> I think so\n>> Do you\n> Yes\n",  # quoted mail
        ">>>>>>> branch\nx\n",  # a merge conflict
    ],
)
def test_what_is_no_session(text):
    assert pairs(text) == []
