import pytest

from tests.transforms.segmenting import games, pairs, seen

QCA = [("Why?", "1 + 1 = 2.", "2")]


@pytest.mark.parametrize(
    "text",
    [
        "Question: Why?\nAnswer: 1 + 1 = 2.\n#### 2\n",
        "Q: Why?\nA: 1 + 1 = 2. The answer is 2.\n",
        "Q: Why?\nA: 1 + 1 = 2. Therefore, the final answer is: 2\n",
        "Question: Why?\nReasoning: 1 + 1 = 2.\nAnswer: 2\n",
        "Exercise 1.\nWhy?\nSolution.\n1 + 1 = 2.\nAnswer: 2\n",
        "Problem 7: Why?\n\nSolution: 1 + 1 = 2.\n\nFinal answer: 2\n",
        "Problem. Why?\n\nSolution. 1 + 1 = 2. $\\boxed{2}$.\n",
        "Problem. Why?\n\nSolution. 1 + 1 = 2. The answer is $\\boxed{2}$.\n",
        "Why?\n1 + 1 = 2.\n#### 2\n",
        "Why?\n\n1 + 1 = 2.\n#### 2\n",
        "Why?\n1 + 1 = 2.\n\n#### 2\n",
        "Frage: Why?\nLösung: 1 + 1 = 2.\nAntwort: 2\n",
        "Frage: Why?\nAntwort: 1 + 1 = 2. Die Antwort ist 2.\n",
        "题目：Why?\n答案：1 + 1 = 2.答案是2。\n".replace("题目", "问题"),
    ],
)
def test_layouts(text):
    assert pairs(text) == QCA
    assert games(text) == {"worked"}


def test_markers_of_a_final_sentence():
    text = "Q: Why?\nA: So. The answer is 2.\n"
    assert [(span.kind, span.player, span.turn, span.text) for span in seen(text)][5:] == [
        ("marker", 2, 1, " "),
        ("reasoning", 2, 1, "So."),
        ("marker", 2, 1, " "),
        ("marker", 2, 1, "The answer is"),
        ("marker", 2, 1, " "),
        ("answer", 2, 1, "2"),
        ("marker", 2, 1, "."),
        ("text", 0, None, "\n"),
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("So. The answer is 3.5.", "3.5"),
        ("So. The answer is (B).", "(B)"),
        ("So. The answer is yes!", "yes"),
        ("So.\n#### -1,000", "-1,000"),
        ("So.\n#### $12.50 each", "$12.50 each"),
        ("So $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("So $\\boxed{1}$, then $\\boxed{2}$.", "2"),
    ],
)
def test_final_answers(answer, expected):
    assert pairs(f"Q: Why?\nA: {answer}\n")[0][-1] == expected


@pytest.mark.parametrize(
    "answer",
    [
        "The answer is no. Then long prose goes on.",
        "The answer is no.",  # no steps
        "42",
        "The answer is that it depends on what you mean by it, and on whom you ask, always.",
        "So $\\boxed{1}$ and then there is much more to say about it.",
        "So \\boxed{1",
        "#### A title\n\nSo.",
        "So.\n\n#### A title",
    ],
)
def test_what_is_a_plain_answer(answer):
    assert games(f"Q: Why?\nA: {answer}\n") == {"label"}


@pytest.mark.parametrize(
    "text",
    [
        "Why?\n\n#### Title\n\ntext\n",  # a heading of level four
        "Prose.\n#### 42\n",  # nothing asked
        "Why?\n#### 42\n",  # no steps
        "#### 42\n",
    ],
)
def test_a_bare_final_answer_needs_a_question_and_steps(text):
    assert pairs(text) == []


def test_a_final_line_ends_the_last_answer():
    assert pairs("Q: Why?\nA: 1 + 1 = 2.\n#### 2\n\nThe sheet ends here.\n") == QCA
