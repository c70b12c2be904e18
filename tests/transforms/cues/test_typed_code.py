import pytest

from transforms.cues.typed_code import TypedCode


def read(text: str) -> TypedCode:
    code = TypedCode()
    for line in text.encode().splitlines(keepends=True):
        code.read(line)
    return code


@pytest.mark.parametrize(
    "text",
    [
        "f(1)",
        "x = '(' # [",
        "f(\n1)\n",
        '"""(\n"""',
        r"'\'('",
        "r'\\'('",
        "1 + \\\n2",
        "if x: f()",
        "for x in y:\n    f(x)\n",
        "if x:\n\n",  # an empty line, as at a prompt
        "x = {1:\n 2}",
        "print x:",  # opens no block
        "classes:",
        "'a",  # never mended
        "(]",
        ")",
        "('a",
    ],
)
def test_complete(text):
    assert read(text).is_complete


@pytest.mark.parametrize(
    "text",
    [
        "f(",
        '"""',
        '""" \\"""',
        "'a\\\n",
        "1 + \\\n",
        "1 + \\ \r\n",
        "if x:\n",
        "if x:  # why\n",
        "if x:\n# a comment\n",
        "def f(\n  a) -> int:\n",
        "async with x as y :\n",
        "@f\n",
        "@f.g(1)\n",
        "@f(\n1)\n",
    ],
)
def test_incomplete(text):
    assert not read(text).is_complete


def test_strings_and_blocks_are_told():
    assert read("'''a").in_string
    assert not read("'''a'''").in_string
    assert read("if x:\n  f()\n").in_block
    assert not read("if x:\n  f()\n\n").in_block
    assert read("if x:").awaits_body
