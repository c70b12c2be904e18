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
        # A comment without a prompt is not printed; what comments print is.
        (
            ">>> f()\n# the next one prints\n>>> g()\n2\n",
            [("f()\n# the next one prints\n>>> g()", "2")],
        ),
        (">>> print(x)\n# STOCKHOLM 1.0\n#=GF SQ\n", [("print(x)", "# STOCKHOLM 1.0\n#=GF SQ")]),
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
        # What follows is a comment, which nobody prints.
        ">>> f()\n# the next one prints\n",
    ],
)
def test_what_is_no_session(text):
    assert pairs(text) == []


# Typed code that goes on without a prompt is the question's; only what follows it was printed.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">>> f(\n    1,\n)\n[1]\n", [("f(\n    1,\n)", "[1]")]),
        # The bracket in the string and the one in the comment count for nothing.
        (">>> f([')',  # (\n     2])\n[1]\n", [("f([')',  # (\n     2])", "[1]")]),
        ('>>> f("""\na ) \\"""\n""")\n1\n', [('f("""\na ) \\"""\n""")', "1")]),
        (">>> 1 + \\\n2\n3\n", [("1 + \\\n2", "3")]),
        (">>> 'a\\\nb('\n'ab('\n", [("'a\\\nb('", "'ab('")]),
        # Prompted first, then no more.
        (">>> f(\n...     1,\n    2)\n3\n", [("f(\n...     1,\n    2)", "3")]),
        # Continuation prompts at another indentation, in brackets and in a block.
        (
            ">>> f([\n    ...     1,\n    ... ])\n2\n",
            [("f([\n    ...     1,\n    ... ])", "2")],
        ),
        (
            "  >>> for x in y:\n ...     f(x)\n ...     g(x)\n  1\n",
            [("for x in y:\n ...     f(x)\n ...     g(x)", "1")],
        ),
        # A block without prompts, as IDLE shows it.
        (
            ">>> if x:\n\tf()\n\tg()\nelse:\n\th()\n1\n",
            [("if x:\n\tf()\n\tg()\nelse:\n\th()", "1")],
        ),
        (
            ">>> for x in y:\n  for z in x:\n      f(z)\n  g(x)\n1\n",
            [("for x in y:\n  for z in x:\n      f(z)\n  g(x)", "1")],
        ),
        # A header over several lines, with a comment behind its colon.
        (
            ">>> def f(\n...     a: int,\n... ) -> int:  # why\n        return f(a)\n1\n",
            [("def f(\n...     a: int,\n... ) -> int:  # why\n        return f(a)", "1")],
        ),
        (">>> @f\n    def g():\n        h()\n1\n", [("@f\n    def g():\n        h()", "1")]),
        # An interpreter answers at once what no further line can mend.
        (">>> print('a\nSyntaxError: x\n", [("print('a", "SyntaxError: x")]),
        (">>> (1]\nSyntaxError: x\n", [("(1]", "SyntaxError: x")]),
        # No Python: an apostrophe, a colon that opens nothing.
        (">>> don't (\nyes\n", [("don't (", "yes")]),
        (">>> print x:\n1\n", [("print x:", "1")]),
        # Another example answers although this one never ends.
        (">>> x = (\n1\n\n>>> y\n2\n", [("x = (\n1\n\n>>> y", "2")]),
    ],
)
def test_typed_code_without_prompts(text, expected):
    assert pairs(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        ">>> f(\n    1,\n    2\n\ntext\n",  # a bracket that nothing closes
        '>>> """\na\n',
        ">>> 1 + \\\n2\n",
        ">>> with x:\n        f()\n        g()\n",  # a body, nothing printed
        ">>> for x in y:\n>>>     with x:\n            f()\n",
        '    """\n    >>> f(\n    """\n    x)\n    1\n',  # the docstring closes first
        "    >>> f(\n  x)\n  1\n",  # less indented
    ],
)
def test_what_was_typed_is_no_answer(text):
    assert pairs(text) == []


@pytest.mark.parametrize("mark", ["(", "'", '"""', "\\", "(\n", '"""\n', ":\n", "#\n", "if:\n"])
def test_hostile_code_is_read_in_one_pass(mark):
    text = f">>> if {mark * 200_000}\nx\n"
    assert "".join(span.text for span in seen(text)) == text
