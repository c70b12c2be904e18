"""Patterns of lines: their gates keep nothing out, and each line is tested once."""

import email
import importlib
import inspect
import pkgutil
import re
from pydoc_data.topics import topics

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transforms.cues
from tests.transforms.test_segment import texts
from transforms.candidates import OUTLINE_LINES, Candidates, LinePattern
from transforms.cues.speakers import FORMS
from transforms.lines import split_lines


def candidates_of(*documents):
    return Candidates(split_lines(pa.chunked_array([pa.array(documents, pa.large_string())])))


def all_patterns():
    """Every LinePattern that a module of the families holds, those of a tuple together."""
    found = {OUTLINE_LINES, *((form.candidate,) for form in FORMS)}
    for info in pkgutil.iter_modules(transforms.cues.__path__):
        module = importlib.import_module(f"transforms.cues.{info.name}")
        for value in vars(module).values():
            together = (value,) if isinstance(value, LinePattern) else value
            parts = together if isinstance(together, tuple) else ()
            if parts and all(isinstance(each, LinePattern) for each in parts):
                found.add(parts)
    return sorted(found)


PATTERNS = all_patterns()
OPENINGS = [
    *(
        "Q: Why?",
        "2. Frage: Wo?",
        "（1）問：何？",
        "**A:**",
        "【答】",
        "Ответ: да",
        "Ａ：はい",
        "\ufeffQ: x",
    ),
    *(
        "Étape 1.",
        "Schritt 1:",
        "第1步：",
        "Step one: go",
        "解答：B",
        "Réponse :\u00a0b",
        "#### 4",
        "■",
    ),
    *(
        "Театр: Да?",
        "HAMLET. Who?",
        "<a> hi",
        "[12:01] <b> hi",
        "B, 12:01",
        "陈：是",
        "– yes",
        "• Why?",
    ),
    *(
        "\\boxed{3}",
        "\\begin{proof}",
        "</think>",
        "Beweis.",
        "定理 3.",
        "Proof:",
        "On it, a@b wrote:",
    ),
    *(
        "$ ls",
        "C:\\> dir",
        ">>> f()",
        "irb(main):1> 1",
        "x=# select 1;",
        "?- a.",
        "In [1]: 1",
        "λ> x",
    ),
    *(
        "Out[1]: 1",
        "NAME",
        ".. _a:",
        ".. function:: f",
        "=====",
        "```",
        "> > a",
        "| Subject: b",
        "%",
    ),
    *("ſtep 1: a", "\u212aey: B", "٣. لماذا؟", "1) a", "(2) b", "Antwort: (a)", "The answer is 3."),
    *("\\section{Why?}", "@section Why?", ".SS Why?", ".TP", "Why?::", ";Why?", "<h2>Why?</h2>"),
    *("a</s><s>[INST] b [/INST] c", "<start_of_turn>user", "a<|eot_id|><|im_start|>user"),
    *("b) c", "1- x", "１．x", "1.\u00a0Why?", "** Why?", "### Answer"),
    *('{"question": "a', '"问": "a', "[{'q': 'a", "- input: a", "<question>", "<a><frage>"),
]
lines_of_text = st.lists(
    st.one_of(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", " ", "\t", "\u3000", "    ", "## ", "**"]),
            st.sampled_from(OPENINGS),
            st.sampled_from(["", " ", " why?", "：", "**", " ="]),
        ),
        st.text(max_size=12),
    ),
    max_size=30,
).map("\n".join)


def test_there_are_patterns():
    assert len(PATTERNS) > 30


def assert_gates_keep_nothing_out(*documents):
    candidates = candidates_of(*documents)
    for patterns in PATTERNS:
        ungated, _ = candidates.matching(*(LinePattern(each.pattern) for each in patterns))
        gated, _ = candidates.matching(*patterns)
        assert gated.tolist() == ungated.tolist(), patterns


@settings(deadline=None, max_examples=60)
@given(text=st.one_of(lines_of_text, texts))
def test_gates_keep_nothing_out(text):
    assert_gates_keep_nothing_out(text, text + "\n")


LETTERS = {"Lu": "A-ZÉЯ", "Ll": "a-zéя", "Lo": "問ا", "Lt": "ǅ", "M": "\u0301"}
LETTERS |= {"N": "0-9٣", "L": "a-zA-ZéЯ問"}


def as_python(pattern):
    """A Rust regular expression as Python's, with a few letters for each class of them."""
    out, is_class, at = "", False, 0
    pattern = re.sub(r"\(\?P<\w+>", "(?:", pattern).replace(r"(?-u:\b)", r"\b").replace("*+", "*")
    while at < len(pattern):
        here = pattern[at : at + 2]
        if here == r"\p":
            end = pattern.index("}", at)
            letters = LETTERS[pattern[at + 3 : end]]
            out, at = out + (letters if is_class else f"[{letters}]"), end + 1
            continue
        if here[0] == "[" and is_class:
            here = r"\["
            at -= 1
        elif here[0] == "[":
            # "[]" and "[^]" open classes that hold a bracket.
            here = re.match(r"\[\^?\]?", pattern[at:])[0]
            is_class, at = True, at + len(here) - 2
            here = here.replace("]", r"\]")
        elif here[0] != "\\":
            is_class, here, at = is_class and here[0] != "]", here[0], at - 1
        out, at = out + here, at + 2
    return re.compile(out)


GATED = [each for together in PATTERNS for each in together if each[1:] != LinePattern("")[1:]]


@pytest.mark.parametrize("pattern", GATED, ids=range(len(GATED)))
def test_what_an_expression_matches_passes_its_gates(pattern):
    matching = st.from_regex(as_python(pattern.pattern)).map(
        lambda text: text.split("\n")[0] + "\n"
    )

    @settings(deadline=None, max_examples=10)
    @given(documents=st.lists(matching, min_size=1, max_size=20))
    def test(documents):
        candidates = candidates_of(*documents)
        ungated, _ = candidates.matching(LinePattern(pattern.pattern))
        gated, _ = candidates.matching(pattern)
        assert gated.tolist() == ungated.tolist()

    test()


def test_gates_keep_nothing_out_of_real_text():
    assert_gates_keep_nothing_out(*topics.values(), inspect.getsource(email))


def test_several_patterns_find_each_line_once_in_order():
    candidates = candidates_of("b 1\na 2\nb a\n")
    number, text = candidates.matching(LinePattern("a", opens="ab"), LinePattern("b", opens="b"))
    assert number.tolist() == [0, 1, 2]
    assert text.to_list() == ["b 1\n", "a 2\n", "b a\n"]


def test_a_pattern_without_gates_sees_every_line_that_is_not_blank():
    number, _ = candidates_of("x\n\n y\n").matching(LinePattern(""))
    assert number.tolist() == [0, 2]


@pytest.mark.parametrize("documents", [(), ("",), (None, "")])
def test_nothing_matches_where_there_are_no_lines(documents):
    number, text = candidates_of(*documents).matching(*PATTERNS[0])
    assert (len(number), len(text)) == (0, 0)
