import pytest

from tests.transforms.segmenting import games, pairs

ASKED = [("What is it?", "It is so."), ("Who is it?", "He is."), ("Why, then?", "So it was.")]
ASKED.append(("How?", "Thus."))


def listed(opening, between, closing="\n"):
    lines = (
        f"{opening.format(n=n)}{question}{between}{answer}{closing}"
        for n, (question, answer) in enumerate(ASKED, 1)
    )
    return "A page of facts.\n\n" + "".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        listed("", " :: "),
        listed("", " -> "),
        listed("", "\t"),
        listed("- ", " - "),
        listed("* ", " — "),
        listed("* ", " "),
        listed("{n}. ", " "),
        listed("{n}) ", " – "),
        listed("", " ", "\n\n"),
        listed("**", "** ", "\n\n"),
        listed("- **", "** "),
        listed("__", "__ ", "\n\n"),
    ],
)
def test_pairs_in_one_line(text):
    assert pairs(text) == ASKED
    assert games(text) == {"oneline"}


@pytest.mark.parametrize(
    "text",
    [
        listed("Q: ", " A: "),
        listed("Q{n}. ", " A. "),
        listed("Question: ", " Answer: "),
        listed("**Q:** ", " **A:** "),
    ],
)
def test_labels_in_one_line(text):
    assert pairs(text) == ASKED
    assert games(text) == {"label"}


def test_an_answer_goes_on_below_its_line():
    text = "- Why? So\n  it is.\n- Who? He.\n- How? Thus,\n  and so.\n\nThe end.\n"
    assert pairs(text) == [("Why?", "So\n  it is."), ("Who?", "He."), ("How?", "Thus,\n  and so.")]


def test_full_width_marks_need_no_space():
    text = "- 何？これ。\n- 誰？彼。\n- なぜ？月。\n"
    assert pairs(text) == [("何？", "これ。"), ("誰？", "彼。"), ("なぜ？", "月。")]


@pytest.mark.parametrize(
    "text",
    [
        "Was it so? It was, and it went on.\n\nThen it stopped.\n\nWas it over? Not at all.\n",
        # Two of five paragraphs.
        "Why? So.\n\nOne.\n\nHow? Thus.\n\nTwo.\n\nWho? He.\n\nThree.\n\nWhen? Now.\n\nFour.\n",
        "- Why? So.\n- one\n- two\n- How? Thus.\n- three\n- four\n- five\n- Who? He.\n",
        "f(x ? y : z)\ng(x ? y : z)\nh(x ? y : z)\n",  # code
        "A = b ? c\nB = d ? e\nC = f ? g\nD = h ? i\n",
        "see http://a.b/?x y\nsee http://a.b/?y z\nsee http://a.b/?z x\n",
        "- x\n",
    ],
)
def test_what_is_no_list_of_pairs(text):
    assert "oneline" not in games(text)


PAIRS = [("Is it?", "No"), ("Who?", "Ann"), ("Why so?", "Rain")]


@pytest.mark.parametrize(
    "row",
    [
        "| {q} | {a} |\n",
        "| {n} | {q} | {a} |\n",  # a cell that counts
        "{q} | {a}\n",
        "{q}::{a}\n",  # a card without space
        "{q}\t{a}\n",
    ],
)
def test_rows_of_two_cells(row):
    rows = (row.format(n=n, q=q, a=a) for n, (q, a) in enumerate(PAIRS, 1))
    assert pairs("".join(rows)) == PAIRS


@pytest.mark.parametrize(
    "text",
    [
        "| Is it? | No | Bo |\n| Who? | Ann | Bo |\n| Why? | Rain | Di |\n",  # more cells
        "| Is it? | No |\n" + "| size | 3 |\n| colour | red |\n" * 3 + "| Why? | Rain |\n",
    ],
)
def test_rows_that_do_not_ask(text):
    assert "oneline" not in games(text)
