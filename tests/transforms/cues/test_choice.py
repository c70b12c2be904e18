import pytest

from tests.transforms.segmenting import contents, games, pairs, seen

OPTIONS = "(A) one\n(B) two\n(C) three"


@pytest.mark.parametrize(
    ("text", "asked", "answer"),
    [
        (f"1. How many?\n{OPTIONS}\nAnswer: C\n", f"How many?\n{OPTIONS}", "C"),
        (
            f"Question 1: How many?\n\n{OPTIONS}\n\nThe correct option is (B).\n",
            f"How many?\n\n{OPTIONS}",
            "(B)",
        ),
        ("How many?\na. one\nb. two\nans: b\n", "How many?\na. one\nb. two", "b"),
        (
            "How many?\n  1) one\n  2) two\nCorrect answer: 2\n",
            "How many?\n  1) one\n  2) two",
            "2",
        ),
        ("How many? (A) one (B) two\nAnswer: (A)\n", "How many? (A) one (B) two", "(A)"),
        (
            "How many?\n(A) one (B) two\n(C) three (D) four\nKey: D\n",
            "How many?\n(A) one (B) two\n(C) three (D) four",
            "D",
        ),
        (
            "How many?\n- A) one\n- B) two\n\n**Answer:** B) two\n",
            "How many?\n- A) one\n- B) two",
            "B) two",
        ),
        ("One comes after\nA. one\nB. none\nANSWER: B\n", "One comes after\nA. one\nB. none", "B"),
        ("Сколько?\nA) один\nB) два\nОтвет: B\n", "Сколько?\nA) один\nB) два", "B"),
    ],
)
def test_stems_options_and_keys(text, asked, answer):
    assert pairs(text) == [(asked, answer)]


def test_options_reason_nothing_however_often_a_key_recurs():
    text = "".join(f"{n}. How many?\nA. one\nB. two\nAnswer: B\n\n" for n in (1, 2, 3))
    assert pairs(text) == [("How many?\nA. one\nB. two", "B")] * 3


@pytest.mark.parametrize("options", ["(A) one\n(B) two", "- one\n- two"])
def test_titled_options_belong_to_the_question(options):
    item = f"Question: How many?\nOptions:\n{options}\nTwo are.\nSo the answer is two.\n\n"
    assert pairs(item * 3) == [(f"How many?\nOptions:\n{options}", "Two are.", "two")] * 3


def test_an_option_after_p_is_no_label_of_a_question():
    options = "\n".join(f"({mark}) {mark}" for mark in "ABCDEFGHIJKLMNOPQR")
    text = f"Q: Which?\n{options}\nA: It is the last.\n"
    assert pairs(text) == [(f"Which?\n{options}", "It is the last.")]


@pytest.mark.parametrize(
    ("below", "contents"),
    [
        ("Answer: B\nExplanation: One and one.\n", ("B", "One and one.")),
        ("Answer: B\n\n**Explanation:** One and one.\n", ("B", "One and one.")),
        ("Answer: B\nExplanation:\nOne and one.\n", ("B", "One and one.")),
        ("Answer: B\nOne and one.\n\nThe end.\n", ("B", "One and one.")),
        ("Explanation: One and one.\nAnswer: B\n", ("One and one.", "B")),
    ],
)
def test_explanations_reason(below, contents):
    text = f"1. How many?\n{OPTIONS}\n{below}"
    assert pairs(text) == [(f"How many?\n{OPTIONS}", *contents)]
    kinds = {span.text: span.kind for span in seen(text)}
    assert kinds["One and one."] == "reasoning"
    assert kinds["B"] == "answer"
    assert games(text) == {"choice"}


def test_items_of_a_sheet():
    item = "{0}. Which?\n\nx = {0}\n\nA) one\nB) two\n\nAnswer: {1}\nExplanation: So.\n\nIt is.\n\n"
    found = pairs(item.format(1, "A") + item.format(2, "B"))
    assert [(question[:6], answer) for question, answer, _ in found] == [
        ("Which?", "A"),
        ("Which?", "B"),
    ]
    assert found[0][2] == "So.\n\nIt is."


@pytest.mark.parametrize(
    "text",
    [
        f"How many?\n{OPTIONS}\n",  # no key
        f"How many?\n{OPTIONS}\nAnswer: E\n",  # no such option
        "How many?\nAnswer: C\n",  # no options
        "(a) The seller shall pay.\n(b) The buyer shall not.\n\nThe option is given to both.\n",
        "Options:\n\n  -a  all\n  -b  none\n\nKey: a file\n",
        "We count:\nB. two\nC. three\nAnswer: C\n",  # counts from elsewhere
        f"{OPTIONS}\nAnswer: C\n",  # no stem
        "Answer: a good one\n",
        "# Quiz\n\n1. Who?\n2. Why?\n3. Where?\n\nAnswer key: 1. Ann; 2. Rain; 3. Here\n",
        "# Quiz\n\n1. Who?\n2. Why?\n3. Where?\n\nKey: (1) Ann (2) Rain (3) Here\n",
        f"Which?\n{OPTIONS}\nAnswer: A list of all.\n",
        f"Which?\n{OPTIONS}\nx = f(\n  choice2=b,\n)\n",
        "Count so:\n1. a\n2. b\n\nOne.\n\nTwo.\n\nThree.\n\n>>> key = (1, 2)\n",
        f"Which?\n{OPTIONS}\n\nOne.\n\nTwo.\n\nThree.\n\nFour.\n\nAnswer: A\n",  # far away
    ],
)
def test_what_is_no_choice(text):
    assert "choice" not in games(text)


@pytest.mark.parametrize(
    "unit",
    ["Answer: A\n", "A. x\n", "A. x\nB. y\nAnswer: A\n", "(A) ", "1. x?\nA. y\nB. z\n\nKey: B\n"],
)
def test_long_documents(unit):
    text = unit * 3_000
    assert "".join(span.text for span in seen(text)) == text


def test_what_goes_on_below_the_key_explains():
    text = f"1. How many?\n{OPTIONS}\n\nThe correct answer is (b). There is one, and\none more.\n"
    text += "%\nMore.\n"
    (asked, *response), *more = pairs(text)
    assert (asked, more) == (f"How many?\n{OPTIONS}", [])
    assert [kind for kind, _, *_ in contents(text)] == ["question", "answer", "reasoning"]
    assert sorted(response) == ["(b).", "There is one, and\none more."]


@pytest.mark.parametrize(
    "text",
    [
        "A. first\nB. second\nAnswer:\n\nFor example:\n\n{}\nAnswer: C\n",
        "samples:\n- question: '{}'\n  target: We count them.\n    The answer is (C).\n",
    ],
)
def test_the_paragraph_above_the_options_is_the_stem(text):
    asked = f"How many?\n{OPTIONS}"
    assert pairs(text.format(asked))[0][0].rstrip("'") == asked


def test_letters_answer_no_numbers():
    assert pairs("We see (1) a cup, (2) a pot.\nThe answer is (A).\n") == []
