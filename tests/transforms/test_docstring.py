"""Functions of Python whose signature and docstring ask for their body."""

import ast
import inspect
import textwrap

import pytest

from tests.transforms.segmenting import pairs, raw_spans

PROGRAM = '''
import os

class Sum:
    def add(self, x: int,
            y=2) -> int:
        """Adds.

        >>> Sum().add(1)
        3
        """
        # as told
        return x + y

    async def wait(self):
        r"One line."
        def inner():
            """Inner."""
            return 2
# flush
        return inner()  # done

# ---- stubs

def stub():
    """Only says."""

def later():
    """Only says."""
    raise NotImplementedError("later")

def bare(x):
    return x
'''


def test_signature_and_docstring_ask_and_the_body_answers():
    (add_asked, added), (wait_asked, waited) = pairs(PROGRAM)
    assert add_asked.startswith("def add(self, x: int,")
    assert add_asked.endswith('3\n        """')
    assert added == "# as told\n        return x + y"
    assert wait_asked == 'async def wait(self):\n        r"One line."'
    assert waited.startswith("def inner():")
    assert waited.endswith("return inner()  # done")


def test_code_that_a_text_shows_is_no_episode():
    shown = textwrap.indent(PROGRAM, "    ")
    text = f"Functions\n\nOne writes functions so.\n{shown}\nThen one calls them.\n"
    assert pairs(text) == [("Sum().add(1)", "3")]


@pytest.mark.parametrize("text", ['def f():\n    """Does.', 'def f():\n    """Does."""', "def f("])
def test_what_never_ends_is_no_episode_and_takes_nothing_of_the_next_document(text):
    after = '    """\n    return 1\n'
    first, second = raw_spans(text, after)
    assert [span["kind"] for span in (*first, *second)] == ["text", "text"]


@pytest.mark.parametrize("body", ["x = 1", 'return """a"""', "return f(\n    1)", "pass; g()"])
def test_bodies(body):
    text = f'def f(a):\n    """Does."""\n    {body}\n\n\nf(1)\n'
    assert pairs(text) == [('def f(a):\n    """Does."""', body)]


@pytest.mark.parametrize("module", [ast, inspect, textwrap])
def test_it_agrees_with_the_parser_on_real_programs(module):
    source = inspect.getsource(module)
    lines = source.splitlines(keepends=True)
    asked = [question for question, _ in pairs(source) if question.startswith(("def", "async"))]
    expected = {
        "".join(lines[node.lineno - 1 : node.body[0].end_lineno]).strip()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) and len(node.body) > 1
    }
    assert len(asked) > 5
    assert set(asked) <= expected


def test_a_body_with_a_string_that_is_flush_is_left():
    assert pairs('def f():\n    """Does."""\n    g("""\\\nflush\n""")\n\n\nx = 1\n') == []
