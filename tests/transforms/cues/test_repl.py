import pytest

from tests.transforms.segmenting import games, pairs, seen

# A page that teaches by sessions: three more examples below what is tested.
MORE = "    (gdb) p a\n    $1 = 1\n    (gdb) p b\n    $2 = 2\n    (gdb) p c\n    $3 = 3\n"
MORE_PAIRS = [("p a", "$1 = 1", "p b", "$2 = 2", "p c", "$3 = 3")]


def found(text):
    """The pairs of a text among sessions enough for the page to be taught by them."""
    pairs_found = pairs(text + "\nNow:\n\n" + MORE)
    assert pairs_found[-1:] == MORE_PAIRS
    return pairs_found[:-1]


def test_a_session_is_one_episode_of_many_turns():
    text = "Try:\n\njulia> 1 + 1\n2\n\njulia> x = 3;\n\njulia> x\n3\n\njulia> x + 1\n4\n\nDone.\n"
    assert pairs(text) == [("1 + 1", "2", "x = 3;\n\njulia> x", "3", "x + 1", "4")]
    assert games(text) == {"repl"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("irb(main):001:0> x.size\n=> 3\n", [("x.size", "=> 3")]),
        (
            "irb(main):001:0> if x\nirb(main):002:1* y\nirb(main):003:1> end\n=> 1\n",
            [("if x\nirb(main):002:1* y\nirb(main):003:1> end", "=> 1")],
        ),
        (">> 1 + 1\n=> 2\n", [("1 + 1", "=> 2")]),
        ("sqlite> SELECT 1;\n1\n", [("SELECT 1;", "1")]),
        ("mysql> SELECT 1\n    -> FROM t;\n| 1 |\n", [("SELECT 1\n    -> FROM t;", "| 1 |")]),
        # The prompt of a continuation may be left out; a statement ends with its mark.
        ("mysql> SELECT 1\n FROM t;\n| 1 |\n", [("SELECT 1\n FROM t;", "| 1 |")]),
        ("sqlite> .tables\na  b;\n", [(".tables", "a  b;")]),
        ("db=# \\d t\nid | int\n", [("\\d t", "id | int")]),
        ("db=> SELECT\ndb-> 1;\n1\n", [("SELECT\ndb-> 1;", "1")]),
        ("(Pdb) p x\n1\n(Pdb)\n", [("p x", "1")]),
        ("ghci> 1 + 1\n2\n", [("1 + 1", "2")]),
        ("Prelude Data.List> sort x\n[1]\n", [("sort x", "[1]")]),
        ("*Main> f\n1\n", [("f", "1")]),
        ("In [1]: 1 + 1\nOut[1]: 2\n", [("1 + 1", "2")]),
        ("In [1]: f(\n   ...:  1)\n\nOut[1]: 2\n\ntext\n", [("f(\n   ...:  1)", "2")]),
        ("In [1]: f(\n   1)\n1\n", [("f(\n   1)", "1")]),
        ("In [1]: # Look\n  f()\n1\n", [("# Look\n  f()", "1")]),
        ("scala> x\nval res0: Int = 1\n", [("x", "val res0: Int = 1")]),
        ("iex(1)> x\n1\n", [("x", "1")]),
        ("(%i1) x+x;\n(%o1)    2 x\n", [("x+x;", "(%o1)    2 x")]),
        ("octave:1> x\nx = 1\n", [("x", "x = 1")]),
        ("# let x = 1;;\nval x : int = 1\n", [("let x = 1;;", "val x : int = 1")]),
        ("?- member(X, [a]).\nX = a.\n", [("member(X, [a]).", "X = a.")]),
        # The tracer's prompts too; what stands behind "|" is still typed.
        ("?- trace.\ntrue.\n\n[trace]  ?- f(a).\ntrue.\n", [("trace.", "true.", "f(a).", "true.")]),
        ("?- [user].\n|: f(a).\n|: ^D\ntrue.\n", [("[user].\n|: f(a).\n|: ^D", "true.")]),
        # A directive's block holds blank lines, whatever its argument.
        (
            ".. code-block:: none\n\n   (gdb) run\n   Starting\n\n   Breakpoint 1\n\ntext\n",
            [("run", "Starting\n\n   Breakpoint 1")],
        ),
        ("1> X = 1,\nX + 1.\n2\n", [("X = 1,\nX + 1.", "2")]),
        ("user=> (+ 1 1)\n2\n", [("(+ 1 1)", "2")]),
        # A bare mark: R shows what it prints, other code stands in a block.
        ("> x <- c(1,\n+   2)\n> x\n[1] 1 2\n", [("x <- c(1,\n+   2)\n> x", "[1] 1 2")]),
        ("```js\n> f(1)\nundefined\n> x\n'a'\n```\n", [("f(1)", "undefined", "x", "'a'")]),
        # Any word, if it recurs.
        (
            "lua> x\n1\n\nlua> y\n2\n\nlua> z\n3\n",
            [("x", "1", "y", "2", "z", "3")],
        ),
    ],
)
def test_sessions(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "> quoted mail\nIs it so?\n> f(x)\nYes.\n",  # no proof
        "> It was said that it rains.\n[1] 5\n",
        "```\n> I think that it is so.\nNo.\n> f(x)\nIt is.\n> But why is it so?\nSo.\n```\n",
        "jd> is it so that we may\nyes\n\njd> and how many are there\nno\n\njd> or not.\nx\n",
        "lua> x\n1\n",  # once
        ">> quoted twice\nyes\n",
        "# let us see\nval\n",  # a comment
        "(see) this\nand that\n",
        "2 > 1\nholds\n",
        "In [1]: x\n",  # nothing printed
        "1> x\n2> y\n",
        "In [1]: f(\n   1\n",  # a bracket that nothing closes
        "diff\n> a = 1\n---\n< a = 2\n",
    ],
)
def test_what_is_no_session(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "julia> x\n1\n\nThat is all.\n",
        ".. function:: f\n\n" + "   ::\n\n     julia> x\n     1\n\n" * 5,
    ],
)
def test_sessions_shown_by_the_way_are_text(text):
    assert pairs(text) == []


@pytest.mark.parametrize(
    "unit",
    [
        "julia> x\n",
        "julia> x\n1\n",
        "In [1]: (\n",
        "In [1]: x\n\nOut[1]: 1\n\n",
        "sqlite> x\n",
        "sqlite> x\ny\n",
        "1> x,\n",
        "> f(\n",
        "# ;;",
        "# ; ;;\n",
        "Prelude A",
        "In [",
        "a> b\nc\n",
        "irb:1",
        "?- x. ",
    ],
)
def test_hostile_runs_are_read_in_one_pass(unit):
    text = "julia> x\n1\n" + unit * 20_000
    assert "".join(span.text for span in seen(text)) == text
