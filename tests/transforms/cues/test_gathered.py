import pytest

from tests.transforms.segmenting import games, pairs, seen

ASKED = [("What is a tide?", "A rise of the sea."), ("Name the moon.", "Luna."), ("Why?", "So.")]


def gathered(question, answer, title, *, above="", between="\n"):
    asked = "".join(question.format(n=n) + q + "\n\n" for n, (q, _) in enumerate(ASKED, 1))
    given = "".join(answer.format(n=n) + a + "\n\n" for n, (_, a) in enumerate(ASKED, 1))
    return f"{above}{asked}{between}{title}{given}"


@pytest.mark.parametrize(
    "text",
    [
        gathered("{n}. ", "{n}. ", "Answers\n\n", above="Questions\n\n"),
        gathered("{n}. ", "{n}. ", "Answers\n\n"),  # most of them ask
        gathered("{n}) ", "{n}) ", "Answer key:\n\n", above="REVIEW QUESTIONS\n\n"),
        gathered("[{n}] ", "[{n}] ", "## Solutions to Exercises\n\n", above="## Exercises\n\n"),
        gathered("Exercise 3.{n}. ", "3.{n}. ", "Appendix A: Solutions\n\n"),
        gathered("Problem {n}: ", "Problem {n}: ", "Solutions to the problems\n---------\n\n"),
        gathered("### Exercise {n}\n\n", "### Exercise {n}\n\n", "## Solutions\n\n"),
        gathered("Aufgabe {n}. ", "Aufgabe {n}. ", "Lösungen der Aufgaben\n\n"),
        gathered("Exercice {n}. ", "{n}. ", "Corrigés des exercices\n\n"),
        gathered("Ejercicio {n}. ", "{n}. ", "Soluciones a los ejercicios\n\n"),
        gathered("Задача {n}. ", "{n}. ", "Ответы\n\n"),
        gathered("問題{n}. ", "{n}. ", "解答\n\n"),
        gathered("{n}. ", "{n}. ", "Antworten auf die Fragen\n\n", above="Fragen\n\n"),
        gathered("{n}．", "{n}．", "参考答案\n\n", above="练习\n\n"),
        gathered("{n}- ", "{n}.- ", "Key:\n\n", above="Quiz\n\n"),
        gathered("{n}.ª ", "{n}.ª ", "Respuestas\n\n", above="Preguntas\n\n"),
        gathered("Q{n}. ", "A{n}. ", ""),  # labels alone
        gathered("**Q{n}.** ", "**A{n}.** ", ""),
        gathered("**{n}. ", "**{n}.** ", "**Answers**\n\n").replace("?\n", "?**\n"),
        gathered("Problem {n}. ", "Solution {n}. ", ""),
        gathered("Q{n}. ", "A{n}. ", "Answers\n\n", between="Prose between.\n\nMore of it.\n\n"),
    ],
)
def test_far_answers_join_by_number(text):
    assert pairs(text) == ASKED
    assert games(text) == {"gathered"}


def test_letters_join_too():
    text = "Questions\n\na) Why?\nb) How?\nc) Who?\n\nAnswers\n\na) So.\nb) Thus.\nc) He.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus."), ("Who?", "He.")]


def test_letters_below_a_number_are_parts_of_its_item():
    asked = "".join(f"{n}. Which?\na) one\nb) two\nc) three\n\n" for n in (1, 2, 3))
    text = f"Exercises\n\n{asked}Answers\n\n1. Both:\na) x\nb) y\n2. a\n3. c\n"
    question = "Which?\na) one\nb) two\nc) three"
    assert pairs(text) == [(question, "Both:\na) x\nb) y"), (question, "a"), (question, "c")]


def test_what_stands_between_is_text():
    text = "Questions\n\n1. A?\n2. B?\n3. C?\n\nTake your time.\n\nAnswers\n\n1. X\n2. Y\n3. Z\n"
    found = [(span.kind, span.player, span.episode, span.text) for span in seen(text)]
    assert ("text", 0, None, "\n\nTake your time.\n\nAnswers\n\n") in found
    # The number of a question is nature's, that of an answer opens player two's turn.
    assert ("marker", 0, 1, "2.") in found
    assert ("marker", 2, 1, "2.") in found
    assert [episode for kind, _, episode, _ in found if kind == "answer"] == [0, 1, 2]


def test_books_solve_the_odd_ones():
    asked = "".join(f"Exercise {n}. Do {n}.\n\n" for n in range(1, 9))
    given = "".join(f"{n}. Done {n}.\n\n" for n in range(1, 9, 2))
    assert pairs(f"{asked}Answers to odd-numbered exercises\n\n{given}") == [
        (f"Do {n}.", f"Done {n}.") for n in (1, 3, 5, 7)
    ]


def test_chapters_join_with_their_own_answers():
    chapter = (
        "Exercises\n\n1. {0}a?\n2. {0}b?\n3. {0}c?\n\nAnswers\n\n1. {0}d\n2. {0}e\n3. {0}f\n\n"
    )
    found = pairs(chapter.format("x") + "Chapter two.\n\n" + chapter.format("y"))
    assert found == [(f"{x}{q}?", f"{x}{a}") for x in "xy" for q, a in ("ad", "be", "cf")]


def test_the_appendix_counts_each_chapter_anew():
    exercises = "Exercises\n\n1. {0}a?\n2. {0}b?\n\nProse.\n\n"
    text = exercises.format("x") + exercises.format("y")
    text += "Answers\n\nChapter 1\n\n1. xd\n2. xe\n\nChapter 2\n\n1. yd\n2. ye\n"
    assert pairs(text) == [("xa?", "xd"), ("xb?", "xe"), ("ya?", "yd"), ("yb?", "ye")]


def test_the_last_answer_is_no_longer_than_its_peers():
    text = gathered("{n}. ", "{n}. ", "Answers\n\n") + "About the author.\n\nHe lives.\n"
    assert pairs(text) == ASKED


@pytest.mark.parametrize(
    "text",
    [
        gathered("{n}. ", "{n}. ", "Results\n\n", above="Questions\n\n"),  # no title of answers
        # Steps in two places.
        "Setup\n\n1. Get it.\n2. Build it.\n3. Run it.\n\nSolutions\n\n1. Ask.\n2. Wait.\n3. Go.\n",
        "Exercises\n\n1. A?\n2. B?\n3. C?\n\nAnswers\n\nNone yet.\n",
        "Exercises\n\n1. A?\n2. B?\n3. C?\n\nAnswers\n\n7. X\n8. Y\n9. Z\n",  # other numbers
        "Contents\n\n1. Questions\n2. Exercises\n3. Answers\n\nAnswers\n\nText.\n",
        "Exercises\n\n1. A?\n2. B?\n3. C?\n",  # a quiz without answers
        "1. Scope\n2. Terms\n3. Fees\n\nThe answers.\n\n1. x\n2. y\n3. z\n",
    ],
)
def test_numbers_that_join_nothing(text):
    assert "gathered" not in games(text)


def test_pairs_in_one_place_stay_there():
    text = "Exercise 1. A?\n\nSolution 1. X\n\nExercise 2. B?\n\nSolution 2. Y\n"
    assert pairs(text) == [("A?", "X"), ("B?", "Y")]
    assert games(text) == {"label"}


QUIZ = "Quiz\n\n1. Is it?\n2. Who?\n3. Why so?\n\n"


@pytest.mark.parametrize(
    "row",
    [
        "ANSWERS: 1. No; 2. Ann; 3. Rain\n",
        "Answers: 1) No, 2) Ann, 3) Rain.\n\nThe end.\n",
        "**Solutions:** (1) No (2) Ann (3) Rain\n",
        "Answers. 1. No. 2. Ann.\n3. Rain.\n",  # wrapped
        "Answer key: 1. No; 2. Ann; 3. Rain\n",
    ],
)
def test_answers_in_a_row(row):
    assert pairs(QUIZ + row) == [("Is it?", "No"), ("Who?", "Ann"), ("Why so?", "Rain")]


@pytest.mark.parametrize(
    "text",
    [
        QUIZ + "Answers: 1. No; 2. Ann\n",  # not all of them
        QUIZ + "Notes: 1. No; 2. Ann; 3. Rain\n",
        "1. Get it.\n2. Build it.\n3. Run it.\n\nSolution: 1. Ask; 2. wait; 3. go\n",  # steps
        "Answers: 1. No; 2. Ann; 3. Rain\n\n" + QUIZ,  # above
    ],
)
def test_rows_that_answer_nothing(text):
    assert "gathered" not in games(text)


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Exercise 1.{n}. ", "Ex. 1.{n}: "), ("1.{n} ", "1.{n} "), ("Problem 1.{n}: ", "1.{n} ")],
)
def test_numbers_of_two_parts(question, answer):
    asked = "".join(question.format(n=n) + f"Why {n}?\n\n" for n in (1, 2, 3))
    said = "".join(answer.format(n=n) + f"So {n}.\n\n" for n in (1, 2, 3))
    found = pairs(f"Exercises\n\n{asked}Answers\n\n{said}")
    assert found == [(f"Why {n}?", f"So {n}.") for n in (1, 2, 3)]
