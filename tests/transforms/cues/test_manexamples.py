import pytest

from tests.transforms.segmenting import games, pairs, seen

PAGE = "NAME\n       lister - lists\n\nEXAMPLES\n{}\nSEE ALSO\n       other(1)\n"


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ("       List all:\n\n           $ lister -a\n", [("List all:", "$ lister -a")]),
        ("       List all:\n           lister -a\n", [("List all:", "lister -a")]),
        # Hard-wrapped, in a bullet.
        (
            "  •   List all\n      of it:\n\n        # lister \\\n          -a\n",
            [("List all\n      of it:", "# lister \\\n          -a")],
        ),
        (
            "  One:\n\n    $ cd a\n    $ lister\n\n  Two:\n\n    $ lister b\n",
            [("One:", "$ cd a\n    $ lister"), ("Two:", "$ lister b")],
        ),
        # A title above the sentence is not part of it.
        (
            "     First example\n       List all:\n\n           $ lister -a\n",
            [("List all:", "$ lister -a")],
        ),
    ],
)
def test_examples(examples, expected):
    assert pairs(PAGE.format(examples)) == expected
    assert games(PAGE.format(examples)) == {"manual"}


@pytest.mark.parametrize(
    "text",
    [
        # Outside the section of examples.
        "NAME\n       lister - lists\n\nOPTIONS\n       Use:\n\n           $ lister\n",
        # No manual page.
        "EXAMPLES\n       List all:\n\n           $ lister -a\n",
        PAGE.format("       The file is:\n\n           a = 1\n"),  # no command
        PAGE.format("       List all.\n\n           $ lister -a\n"),
        PAGE.format("       List all:\n\n       $ lister -a\n"),  # not deeper
        PAGE.format("       List all:\n"),
        # The rest of a sentence, of which an example is the middle.
        PAGE.format(
            "       The list\n\n           a.list\n\n       is shown by:\n\n           lister\n"
        ),
    ],
)
def test_what_is_no_example(text):
    assert pairs(text) == []


def test_what_looks_like_a_command_without_the_prompt_is_output():
    text = PAGE.format("       List all:\n\n           $ lister -a\n           lister-a.txt\n")
    assert pairs(text) == [("lister -a", "lister-a.txt")]
    assert games(text) == {"shell"}


def test_a_command_with_its_output_is_a_session():
    text = PAGE.format("       List all:\n\n           $ lister -a\n           b\n")
    assert pairs(text) == [("lister -a", "b")]
    assert games(text) == {"shell"}


@pytest.mark.parametrize(
    "unit", ["  a:\n", "  a:\n\n   $ x\n", "  a\n", "  " * 50 + ":", " a:\n  $ x \\\n"]
)
def test_hostile_runs_are_read_in_one_pass(unit):
    text = PAGE.format(unit * 30_000)
    assert "".join(span.text for span in seen(text)) == text
