import pytest

from tests.transforms.segmenting import games, pairs, seen

# A page that teaches by sessions: three more examples below what is tested.
MORE = "\n    $ who\n    ada\n    $ id -u\n    7\n    $ tty\n    not a tty\n"
MORE_PAIRS = [("who", "ada", "id -u", "7", "tty", "not a tty")]


def found(text):
    """The pairs of a text among sessions enough for the page to be taught by them."""
    pairs_found = pairs(text + "\nNow:\n" + MORE)
    assert pairs_found[-1:] == MORE_PAIRS
    return pairs_found[:-1]


def test_a_session_is_one_episode_of_many_turns():
    text = "Try:\n\n    $ ls\n    a  b\n    $ cd a\n    $ ls -a\n    .  ..\n\n    $ pwd\n    /a\n"
    assert pairs(text) == [("ls", "a  b", "cd a\n    $ ls -a", ".  ..", "pwd", "/a")]
    assert games(text) == {"shell"}


def test_prompts_are_markers():
    text = "$ ls\na\n$ pwd\n/\n$ id -u\n7\n"
    assert [(span.kind, span.player, span.text) for span in seen(text)][:7] == [
        ("marker", 0, "$"),
        ("marker", 0, " "),
        ("question", 1, "ls"),
        ("marker", 2, "\n"),
        ("answer", 2, "a"),
        ("marker", 1, "\n"),
        ("marker", 1, "$"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Prompts of many shells.
        ("ada@box:~$ ls\na\n", [("ls", "a")]),
        ("[root@box etc]# cat hosts\n::1\n", [("cat hosts", "::1")]),
        ("(env) ada@box:/tmp$ ls\na\n", [("ls", "a")]),
        ("C:\\> dir\na.txt\n", [("dir", "a.txt")]),
        ("C:\\tools>dir ^\n /b\na.txt\n", [("dir ^\n /b", "a.txt")]),
        ("PS C:\\tools> ls\na.txt\n", [("ls", "a.txt")]),
        ("    % ls\n    a\n\nand\n\n    % pwd\n    /\n", [("ls", "a"), ("pwd", "/")]),
        ("box$ ls\na\nbox$ pwd\n/\n", [("ls", "a", "pwd", "/")]),
        # What is typed goes on: backslashes, secondary prompts, quotes, blocks, here-documents.
        ("$ echo a \\\n  b\na b\n", [("echo a \\\n  b", "a b")]),
        (
            "$ for i in a; do\n>   echo $i\n> done\na\n",
            [("for i in a; do\n>   echo $i\n> done", "a")],
        ),
        ("$ for i in a; do\n  echo $i\ndone\na\n", [("for i in a; do\n  echo $i\ndone", "a")]),
        ("$ awk '{\n  print }' x\n1\n", [("awk '{\n  print }' x", "1")]),
        ("$ echo don't\ndont\n", [("echo don't", "dont")]),
        ("$ cat <<EOF\nx\nEOF\nx\n", [("cat <<EOF\nx\nEOF", "x")]),
        ("$ ls |\n  wc -l\n3\n", [("ls |\n  wc -l", "3")]),
        # A fence keeps blank lines in what is printed; the fence ends it.
        ("```\n$ ls\n\na\n\nb\n```\n", [("ls", "a\n\nb")]),
        # So does a block that a colon announces.
        ("See::\n\n  $ ls\n  a\n\n  b\n\nOr\n", [("ls", "a\n\n  b")]),
        # A comment in between is neither typed nor printed.
        ("```\n$ ls\na\n\n# Now where\n$ pwd\n/\n```\n", [("ls", "a"), ("pwd", "/")]),
        # Prose between makes two sessions.
        ("$ ls\na\n\nThen\n\n$ pwd\n/\n", [("ls", "a"), ("pwd", "/")]),
        # The block ends where the text comes back.
        ("  Type\n    $ ls\n    a\n  and see.\n", [("ls", "a")]),
        ("$ ls\r\na\r\n", [("ls", "a")]),
        # A prompt at which nothing was typed ends what is printed.
        ("$ ls\na\n$\n", [("ls", "a")]),
    ],
)
def test_sessions(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$ make\n$ make install\n",  # nothing printed
        "It costs\n\n$ 5.00\nor more\n",  # a price
        "$ x + y $\nis a sum\n",  # mathematics
        "so we\n$ ls\nand see\n",  # a line of prose
        "$(OUT): in\n\tcp in out\n",  # a makefile
        "% The first part\nx = 1\n\n% The second part\ny = 2\n",  # comments
        "%% Cells\n\n% single cell\nx = 1\n\n% block\ny = 2\n",
        "\\begin{map}\n  % single cell\n  \\x{0}\n  % block\n  \\x{1}\n\\end{map}\n",
        ":- module(m, [\n    % from a\n    f/1,\n    % from b\n    g/2\n]).\n",
        "    % make it so that we see more\n    x = 1\n\n    % ls of all that is left\n    y\n",
        "# Heading\ntext\n",
        "$ tool.pl :\n  a tool\n",  # a bullet
        "100% sure\nof it\n\n99% sure\nof that\n",
        "<a@b.org> wrote\nx\n",
    ],
)
def test_what_is_no_session(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "To see it, type\n\n    $ ls\n    a\n\nThat is all.\n",  # too few
        "    $ ls\n    a\n\n" * 3 + "It rained all day long, and so on.\n" * 1_000,  # too rare
        # What a reference shows by the way is part of it.
        ".. module:: x\n\n" + "    $ ls\n    a\n\ntext\n\n" * 5,
        "NAME\n       x\n\nUSE\n       See:\n\n" + "           $ ls\n           a\n\n" * 5,
    ],
)
def test_sessions_shown_by_the_way_are_text(text):
    assert pairs(text) == []


def test_a_manual_page_has_its_sessions_in_its_examples():
    text = (
        "NAME\n       x - lists\n\nOPTIONS\n       All:\n\n            $ x -a\n            b\n\n"
        "EXAMPLES\n       List:\n\n           $ x\n           a\n\nSEE ALSO\n       y(1)\n"
    )
    assert pairs(text) == [("x", "a")]


@pytest.mark.parametrize(
    "unit",
    [
        "$ x\n",
        "$ x\n1\n",
        "$ x <<E\n",
        "$ x 'a\n",
        "$ x \\\n",
        "$ do\n",
        "% x\n",
        "```\n$ x\n",
        "> ",
        "$ ",
        "$",
        "a@",
        "\n$ x\n# x\n",
    ],
)
def test_hostile_runs_are_read_in_one_pass(unit):
    text = "$ x\n1\n" + unit * 30_000
    assert "".join(span.text for span in seen(text)) == text


def test_deep_indentation_is_linear():
    text = "".join(" " * i + "$ x\n" + " " * i + "1\n" for i in range(1_000))
    assert "".join(span.text for span in seen(text)) == text
