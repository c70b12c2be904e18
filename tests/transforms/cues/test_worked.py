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


@pytest.mark.parametrize(
    "item",
    [
        "{n}. Solve 2x = {n}.\nDivide by two.\nAnswer: 2\n\n",
        "Solve 2x = {n}.\n\nDivide by two.\n\nSo the answer is 2.\n\n",
    ],
)
def test_exercises_that_ask_nothing(item):
    text = "".join(item.format(n=n) for n in (1, 2, 3))
    asked = [f"Solve 2x = {n}." for n in (1, 2, 3)]
    assert pairs(text) == [(question, "Divide by two.", "2") for question in asked]


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
        "Find(m);\nx:=1;\nanswer:=x + 1;\n\nFind(n);\nx:=2;\nanswer:=x + 1;\n",
    ],
)
def test_a_bare_final_answer_needs_a_question_and_steps(text):
    assert pairs(text) == []


def test_a_final_line_ends_the_last_answer():
    assert pairs("Q: Why?\nA: 1 + 1 = 2.\n#### 2\n\nThe sheet ends here.\n") == QCA


@pytest.mark.parametrize(
    "text",
    [
        # Steps before the answer's label.
        "Question: Why?\nStep 1: 1 + 1.\nStep 2: = 2.\nAnswer: 2\n",
        "Q: Why?\n**Step 1:** 1 + 1.\n**Step 2:** = 2.\nA: 2\n",
        # Without labels, numbered steps make one enough.
        "Why?\n\nStep 1: 1 + 1.\nStep 2: = 2.\nAnswer: 2.\n",
        "1. Why?\n\nStep 1: 1 + 1.\n\nStep 2: = 2.\n\nThe answer is 2.\n",
    ],
)
def test_steps_reason(text):
    ((question, reasoning, answer),) = pairs(text)
    assert (question, answer) == ("Why?", "2")
    assert "1 + 1." in reasoning
    assert "= 2" in reasoning
    assert games(text) == {"worked"}


@pytest.mark.parametrize(
    "text",
    [
        "Install it.\n\nStep 1: unpack.\nStep 2: run make.\nAnswer: yes when asked.\n",
        "Q: I did this:\nStep 1: unpack\nStep 2: run\nWhy does it fail?\nA: So.\n",
        "Why did he go? It was late.\n\nThe answer is simple.\n\nMore prose.\n",
        "Why?\n\nIt boxes \\boxed{2}.\n\nMore.\n",
    ],
)
def test_what_is_not_worked(text):
    assert "worked" not in games(text)


@pytest.mark.parametrize("final", ["Answer: {}", "The answer is {}.", "So $\\boxed{{{}}}$."])
def test_bare_questions_recur(final):
    text = "Why {}?\n\n1 + 1 = 2.\n" + final + "\n\n"
    found = pairs(text.format(1, 2) + text.format(2, 3))
    assert [(question, answer) for question, _, answer in found] == [
        ("Why 1?", "2"),
        ("Why 2?", "3"),
    ]
    assert games(text.format(1, 2)) == set()


def test_an_explanation_below_a_short_answer_reasons():
    text = "Question: Why?\nAnswer: 2\nExplanation: 1 + 1 is 2.\n"
    assert [(span.kind, span.text) for span in seen(text) if span.turn == 1][-3:] == [
        ("marker", "Explanation:"),
        ("marker", " "),
        ("reasoning", "1 + 1 is 2."),
    ]
    assert pairs(text) == [("Why?", "2", "1 + 1 is 2.")]


def test_reasoning_has_a_label_and_the_answer_is_long():
    text = "Q: Why?\nReasoning: One.\n\nTwo.\nAnswer: Three.\n\nFour.\n"
    assert pairs(text) == [("Why?", "One.\n\nTwo.", "Three.\n\nFour.")]


def test_the_response_of_a_heading_that_asks_may_be_worked():
    text = "## Why?\n\n1 + 1 = 2.\n\nAnswer: 2\n\n## How?\n\nSo.\n"
    assert pairs(text) == [("Why?", "1 + 1 = 2.", "2"), ("How?", "So.")]


def test_options_below_a_bare_question_belong_to_it():
    text = "Which {0}?\nA. one\nB. two\nReply: 1 + {0}.\nThe answer is (B).\n\n"
    assert pairs(text.format(1) + text.format(2)) == [
        ("Which 1?\nA. one\nB. two", "1 + 1.", "(B)"),
        ("Which 2?\nA. one\nB. two", "1 + 2.", "(B)"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Q: Why?\nReasoning: 1 + 1 = 2.\nA: 2\n",
        "Q: Why?\nExplanation: 1 + 1 = 2.\nA: 2\n\n---\n\nQ: How?\nExplanation: So.\nA: 3\n",
        "Question 4: Why?\nChain of thought: 1 + 1 = 2.\nAnswer 4: 2\n",
        "[QUESTION]\nWhy?\n[THOUGHT]\n1 + 1 = 2.\n[ANSWER]\n2\n",
        "Problem 1. Why?\n\nSolution. 1 + 1 = 2.\n\nAnswer. 2\n",
        "Exercise 3. Why?\nSol. 1 + 1 = 2.\nAns. 2\n",
        "Frage: Why?\nBegründung: 1 + 1 = 2.\nAntwort: 2\n",
        "Question : Why?\nRaisonnement : 1 + 1 = 2.\nRéponse : 2\n",
        "Pregunta: Why?\nRazonamiento: 1 + 1 = 2.\nRespuesta: 2\n",
        "Pergunta: Why?\nRaciocínio: 1 + 1 = 2.\nResposta: 2\n",
        "Domanda: Why?\nRagionamento: 1 + 1 = 2.\nRisposta: 2\n",
        "Вопрос: Why?\nРассуждение: 1 + 1 = 2.\nОтвет: 2\n",
        # Labels in one line: where a sentence ends, or in bold.
        "Q: Why? Reasoning: 1 + 1 = 2. A: 2\n",
        "**Question**: Why? **Thoughts**: 1 + 1 = 2. **Final Answer**: 2.\n",
        "问题：Why?\n推理：1 + 1 = 2.\n答案：2\n",
        "問題：Why?\n解説：1 + 1 = 2.\n答え：2\n",
    ],
)
def test_what_labels_say_between_question_and_answer_reasons(text):
    assert pairs(text)[0] == QCA[0]
    assert "worked" in games(text)


def test_labels_in_one_line_may_follow_what_is_no_sentence():
    text = "**Question**: Take a **b** and A. one, B. two **Reasoning**: 1 + 1 **Answer**: 2\n"
    assert pairs(text) == [("Take a **b** and A. one, B. two", "1 + 1", "2")]
    text = "Q: Of (A) one, (B) two Reasoning: 1 + 1 is it. A: (B)\n"
    assert pairs(text) == [("Of (A) one, (B) two", "1 + 1 is it.", "(B)")]


def test_an_option_in_brackets_asks_nothing():
    text = "### Question\n\nWhich?\n\n### Explanation\n\nSo.\n\n### Answer\n\n(D)\n"
    assert pairs(text) == [("Which?", "So.", "(D)")]


def test_an_option_labels_no_answer():
    text = "Q: Why?\nReasoning: Of these\nA. one\nB. two\nthe first.\nA: one\n"
    assert pairs(text)[0][2] == "one"


@pytest.mark.parametrize("rule", ["###", "---", "Example 2:", "---\n\n## Example 2"])
def test_what_parts_exemplars_belongs_to_none(rule):
    text = f"Question: Why?\nAnswer: So. The answer is 2.\n\n{rule}\n\n"
    assert pairs(2 * text) == 2 * [("Why?", "So.", "2")]


def test_most_answers_of_a_session_are_worked():
    text = "Human: Why {0}?\n\nAssistant: 1 + {0}. So the answer is {1}.\n\n"
    (session,) = pairs(text.format(1, 2) + text.format(2, 3) + text.format(3, 4))
    assert session[:6] == ("Why 1?", "1 + 1.", "2", "Why 2?", "1 + 2.", "3")
    assert session[6:] == ("Why 3?", "1 + 3.", "4")


def test_an_agent_finishes():
    text = "Question: Why?\nThought 1: 1 + 1 = 2.\nAction 1: Finish[2]\n"
    assert pairs(text) == QCA


def test_titles_of_reasoning_and_answer():
    text = "### Question\n\nWhy?\n\n### Explanation\n\n1 + 1 = 2.\n\n### Answer\n\n2\n"
    assert pairs(text) == QCA


def test_one_asks_oneself():
    text = (
        "Question: Say who.\nAre follow up questions needed here: Yes.\nFollow up: Which {0}?\n"
        "Intermediate answer: {0}.\nSo the final answer is: {0}\n\n"
    )
    found = pairs(text.format(1) + text.format(2))
    assert [(question, answer) for question, _, answer in found] == [
        ("Say who.", "1"),
        ("Say who.", "2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[[ ## question ## ]]\nWhy?\n\n[[ ## reasoning ## ]]\n1 + 1 = 2.\n\n"
        "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]\n",
        "PROBLEM\n\nWhy?\n\nSOLUTION\n\n1 + 1 = 2.\n\nANSWER\n\n2\n",
        "Problem:\nWhy?\n\nSolution:\n1 + 1 = 2.\n"
        "Final Answer: The final answer is $2$. I hope it is correct.\n",
    ],
)
def test_labels_of_prompts_and_books(text):
    assert pairs(text)[0] == QCA[0]


@pytest.mark.parametrize(
    ("question", "response"),
    [
        ("Say {}.\n\n", "Solution: 1 + {} is it.\n\nAnswer: {}\n\n"),  # without a label
        ("Input: Say {}.\n", "Target: 1 + {} is it. The answer is {}.\n\n"),
        (
            "Example\nQuestion: Say {}.\n",
            "Are follow up questions needed here: No.\n1 + {} is it."
            "\n\nSo the final answer is: {}\n\n",
        ),
        # What stands above the next question is no part of the answer.
        ("Context: No.\nQuestion: Say {}.\n", "Reasoning: 1 + {} is it.\nAnswer: {}\n\n"),
    ],
)
def test_exemplars_recur(question, response):
    text = "".join((question + response).format(n, n, n) for n in "78")
    found = pairs(text + question.format(9))
    assert [(asked, answer) for asked, _, answer in found] == [("Say 7.", "7"), ("Say 8.", "8")]
    assert all("1 + " in reasoning for _, reasoning, _ in found)


@pytest.mark.parametrize(
    "begun",
    ["", "Let's think step by step.", "Are follow up questions needed here:"],
)
def test_the_last_exemplar_is_not_answered(begun):
    text = (
        f"Question: Why?\nAnswer: 1 + 1 = 2. The answer is 2.\n\nQuestion: How?\nAnswer: {begun}\n"
    )
    assert pairs(text) == QCA


def test_a_label_alone_answers_no_line_that_asks():
    text = "Problem: It is {0}.\n\nWhy {0}?\n\nSolution: 1 + {0}. The answer is {0}.\n\n"
    assert len(pairs(text.format(1) + text.format(2))) == 2
    assert len(pairs(text.format(1) + "Problem: It is 2.\n\nWhy 2?\n\nSolution:\n")) == 1


def test_capitals_label_without_a_mark():
    text = "EXAMPLE 3.1 Why?\n\nSOLUTION It is 1 + 1.\n\nANSWER: 2\n"
    assert pairs(text) == [("Why?", "It is 1 + 1.", "2")]


def test_capitals_that_are_no_label():
    text = "PROBLEM SOLVING IN CLASS\n\nWhy not.\n\nSOLUTION MANUALS\n\nThe answer is 2.\n"
    assert pairs(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Q: {question}\nA: Let us see.\nThe answer is 4.\n",
        'Q: What is 2+2?\nA: Two and two."""\n\ndef f():\n    return 1\n\nThe answer is 4.\n',
        "Q: What is 2+2?\nA: See:\n```\n2+2\nThe answer is 4.\n",
    ],
)
def test_templates_and_what_leaves_a_string_or_a_fence_are_not_worked(text):
    assert all(span.game != "worked" for span in seen(text))


def test_a_final_answer_behind_a_labelled_question_is_not_the_headings():
    text = "## What is it?\n\nThree.\n\nQuestion: Can I?\nAnswer: No, sorry.\n\n## Is it?\n\nYes.\n"
    assert all(span.game != "worked" for span in seen(text))


def test_what_a_question_is_about_is_no_reasoning():
    text = "QUESTION: Who rules?\n=====\nContent: Ann rules.\n=====\nFINAL ANSWER: Ann\n"
    assert [span.kind for span in seen(text) if span.kind == "reasoning"] == []


def test_a_sentence_about_the_answer_announces_none():
    text = "Q: Why?\nA: 1 + 1 = 2 is shown. The answer is missing.\n"
    assert games(text) == {"label"}


@pytest.mark.parametrize(
    "text",
    [
        "```text\nWho won?\n```\n\nAnswer: `Ann`\n\n```text\nWho lost?\n```\n\nAnswer: `Bo`\n",
        "Question: How many?\nSolution: We add.\nAnswer: [your number]\n",
        "Question: ...\n(A) 1\n(B) 2\nThought: ...\nAnswer: first\n",
    ],
)
def test_fences_and_slots_are_neither_steps_nor_answers(text):
    assert "worked" not in games(text)


def test_a_label_may_say_how_to_answer():
    asked = "Please select one.\nOption 1: This.\nOption 2: That."
    item = f"Question: {asked}\nAnswer (1 or 2?) with steps:\nIt is so. Thus, the answer is 2.\n\n"
    assert pairs(item * 2) == [(asked, "It is so.", "2")] * 2
