import pytest

from tests.transforms.segmenting import games, pairs, seen


@pytest.mark.parametrize(
    "text",
    [
        "Q: Why?\nA: So.\n",
        "q: Why?\na: So.\n",
        "Q. Why?\nA. So.\n",
        "Q) Why?\nA) So.\n",
        "Q1: Why?\nA1: So.\n",
        "Q 1. Why?\nA 1. So.\n",
        "Question: Why?\nAnswer: So.\n",
        "Question: Why?\nAnswer (score 3): So.\n",
        "Question (2 marks): Why?\nAnswer [accepted, 7 votes]:\nSo.\n",
        "**Question** (score 1):\nWhy?\n\n**Answer** (score 3):\nSo.\n",
        ":Q: Why?\n:A: So.\n",
        ":Question: Why?\n:Answer: So.\n",
        "Q> Why?\nA> So.\n",
        "QUESTION 3: Why?\nANSWER: So.\n",
        "Question #3\nWhy?\n\nAnswer\nSo.\n",
        "Exercise 4.\nWhy?\nSolution.\nSo.\n",
        "**Q:** Why?\n\n**A:** So.\n",
        "**Q: Why?**\n\nA: So.\n",
        "*Q1.* Why?\n*A1.* So.\n",
        "[Q] Why?\n[A] So.\n",
        "### Question:\nWhy?\n\n### Answer:\nSo.\n",
        "### Instruction:\nWhy?\n\n### Response:\nSo.\n",
        "Q: Why? A: So.\n",  # both in a line
        "  Q: Why?\n  A: So.\n",
        "\ufeffQ: Why?\r\nA: So.\r\n",
        "Frage: Why?\nAntwort: So.\n",
        "Вопрос: Why?\nОтвет: So.\n",
        "問：Why?\n答：So.\n",
        "\u3000Q：Why?\n\u3000A：So.\n",
    ],
)
def test_labels_in_their_varieties(text):
    assert pairs(text) == [("Why?", "So.")]
    assert games(text) == {"label"}


@pytest.mark.parametrize(
    "text",
    [
        "A: So.\n",  # a lone answer
        "Q: Why?\n",  # a lone question
        "Q:\nA: So.\n",  # nothing asked
        "Q: Why?\nA:\n",  # nothing answered
        "Note: Why?\nAnswer: So.\n",  # no speaker
        "We ask a\nquestion.\nThe\nanswer. So.\n",  # words where lines break
        "S: 200 OK\nC: QUIT\n",  # a server and a client
        "Which?\nA) one\nB) two\n",  # choices
        "A:hover { }\nQ::x\n",
        "Question (old): Why?\nAnswer (see below) So.\n",  # an aside that scores nothing
    ],
)
def test_what_is_no_pair(text):
    assert pairs(text) == []


def test_questions_and_answers_of_several_paragraphs():
    text = "Q: It fails\n\n    code\n\nwhy?\nA: One.\n\n* two\n\nThree.\n\nQ: b?\nA: c\n"
    assert pairs(text) == [
        ("It fails\n\n    code\n\nwhy?", "One.\n\n* two\n\nThree."),
        ("b?", "c"),
    ]


@pytest.mark.parametrize(
    "end", ["# Licence\n\nMIT\n", "Licence\n=======\n\nMIT\n", "=======\nLicence\n=======\n"]
)
def test_a_heading_ends_the_last_answer(end):
    assert pairs(f"Q: Why?\nA: So.\n\nMore.\n\n{end}") == [("Why?", "So.\n\nMore.")]


def test_a_comment_in_fenced_code_is_no_heading():
    answer = "Do:\n\n```\n\n# make\n\n```\n\nDone."
    assert pairs(f"Q: How?\nA: {answer}\n") == [("How?", answer)]


def test_a_pair_inside_an_answer_is_part_of_it():
    assert pairs("Q: How?\nA: Write:\n\n    Q: x?\n    A: y\n\nQ: b?\nA: c\n") == [
        ("How?", "Write:\n\n    Q: x?\n    A: y"),
        ("b?", "c"),
    ]


def test_a_question_without_an_answer_is_text_among_pairs():
    assert pairs("Q: a?\nA: b\nQ: c?\nQ: d?\nA: e\n") == [("a?", "b"), ("d?", "e")]


def test_answers_without_labels():
    assert pairs("Q: Why\nso?\nSo.\n\nMore.\n\nQ: b?\n\nc\n") == [
        ("Why\nso?", "So.\n\nMore."),
        ("b?", "c"),
    ]


def test_bold_is_a_marker_wherever_it_closes():
    assert [(span.kind, span.text) for span in seen("**Q: Why?** \nA: So.")] == [
        ("marker", "**Q:"),
        ("marker", " "),
        ("question", "Why?"),
        ("marker", "**"),
        ("marker", " \n"),
        ("marker", "A:"),
        ("marker", " "),
        ("answer", "So."),
    ]


def test_the_cue_is_the_label():
    assert {span.cue for span in seen("**Q2:** Why?\nA: So.")} == {"Q2:"}


@pytest.mark.parametrize(
    "text",
    [
        "Q\u00a0: Pourquoi\u00a0?\nR\u00a0: Ainsi.\n",
        "Question\u202f: Pourquoi\u00a0?\nRéponse\u202f: Ainsi.\n",
        "Ｑ：Pourquoi\u00a0?\nＡ：Ainsi.\n",
    ],
)
def test_colons_after_spaces_that_do_not_break_and_full_width_labels(text):
    assert pairs(text) == [("Pourquoi\u00a0?", "Ainsi.")]


def test_choices_answer_nothing():
    assert pairs("Q1. Which pot?\nA. A wok\nB. A pan\n\nQ2. Which lid?\nA. Steel\nB. Glass\n") == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # Prose above, so prose may follow.
        ("One.\n\nTwo.\n\nQ. Why?\n\nA. So.\nIt is.\n\nTo go on, do it.\n", "So.\nIt is."),
        (
            "One.\n\nTwo.\n\nQ. Why?\nA. Like this:\n\n  b\n\nGo on.\n",
            "Like this:\n\n  b",
        ),
        # As long as the others.
        ("".join(f"Q: Why {i}?\nA: So.\n\n" for i in range(4)) + "It was late.\n", "So."),
        # A rule parts it from the next.
        ("Q: Why?\nA: So.\n\n" + "-" * 20 + "\n", "So."),
        # All of the document.
        ("Q: Why?\nA: So.\n\nThus it is.\n", "So.\n\nThus it is."),
    ],
)
def test_the_last_answer_ends_where_other_text_goes_on(text, answer):
    assert pairs(text)[-1][1] == answer


@pytest.mark.parametrize(
    "text",
    [
        "class A(B):\n    question: str = f()\n    answer: str = g()\n",
        "task: one_two\nsamples:\n  context: here\n\nanswer: So.\n",
    ],
)
def test_fields_of_programs_and_settings_are_no_labels(text):
    assert "label" not in games(text)
    assert "worked" not in games(text)


def test_an_answer_as_long_as_a_chapter_among_short_ones_runs_on():
    chapter = "".join(f"Part {i} of the book.\n\n" for i in range(40))
    text = f"Q: Why?\nA: So.\n\nQ: How?\nA: Thus.\n\n{chapter}Q: Who?\nA: He.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus."), ("Who?", "He.")]


def test_an_answer_ends_at_a_rule_across_the_page():
    text = f"Q: Why?\nA: So.\n\n{'=' * 60}\n\nOn the rest\n\nIt is long.\n\nQ: How?\nA: Thus.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_a_word_that_surely_asks_need_not_open_a_paragraph():
    text = "A saying.\n%\nFrage: Why?\nAntwort: So.\n%\nMore.\n"
    assert pairs(text)[0][0] == "Why?"
    assert pairs(text)[0][1].startswith("So.")


def test_an_answer_to_another_item_is_none():
    items = ["Frage: Why?\nIt is open.", "Text.", "Begründung: So.", "Frage: How?\nAntwort: Thus."]
    assert pairs("\n%\n".join(items) + "\n%\n") == [("How?", "Thus.")]


def test_whose_words_an_answer_is_stands_below_it():
    text = (
        "Q: Why?\nA: So.\n\t\t-- Ann Lee, in her\n\t\t   letters\n\nQ: How?\nA: Thus.\n\n  -- Bo\n"
    )
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]
    text = "Q: Which?\nA: Those:\n  -- one\n  -- two\n"
    assert pairs(text) == [("Which?", "Those:\n  -- one\n  -- two")]


def test_titles_inside_a_list_of_contents_ask_nothing():
    entries = (
        "EXAMPLE 1",
        "EXAMPLE 2",
        "What is new?",
        "Files",
        "EXAMPLE 3",
        "What is it?",
        "More",
    )
    assert "label" not in games("GUIDE\n" + "".join(f"   {entry}\n" for entry in entries))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("**Q: a?**\n\nx\n\n**Q: b?**\nA: y\n\n**Q: c?**\n\nz\n", "abc"),
        ("**Q: a?**\nA: x\n\n**Q: b?**\n\ny\n\n**Q: c?**\n\nz\n\n# More\n", "abc"),
        ("**Q: a?**\n\nx\n\n**Q: b?**\nA: y\n", "b"),  # only one of them
        ("Q: a?\n\nx\n\nQ: b?\nA: y\n\nQ: c?\n\nz\n", "b"),  # not in bold
    ],
)
def test_questions_in_bold_beside_labelled_answers(text, found):
    assert pairs(text) == [p for p in [("a?", "x"), ("b?", "y"), ("c?", "z")] if p[0][0] in found]


@pytest.mark.parametrize(
    ("rest", "is_cut"),
    [
        ("How do I cancel my order?\n\nWrite to us.\n", True),
        ("How do I cancel my order?\n\nWrite to us.\n\nOr call us.\n", True),
        ("Why so?\n\nWrite to us.\n", False),  # rhetoric
        ("How do I cancel my order?\n", False),  # nothing below
        ("How do I cancel my order?\n\nAnd how do I not?\n", False),
        ("We cancel it.\n\nHow do I cancel my order?\n\nWrite to us.\n", False),
    ],
)
def test_a_question_without_a_label_ends_the_answer_above_it(rest, is_cut):
    text = f"Q: a?\nA: x.\n\n{rest}\nQ: b?\nA: y.\n"
    answer = "x." if is_cut else f"x.\n\n{rest}".rstrip()
    assert pairs(text) == [("a?", answer), ("b?", "y.")]
    # Other answers have several paragraphs too.
    long = f"{text}\nMore.\n\nQ: c?\nA: z.\n\n"
    assert pairs(long)[0] == ("a?", f"x.\n\n{rest}".rstrip())
