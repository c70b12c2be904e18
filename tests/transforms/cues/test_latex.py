import pytest

from tests.transforms.segmenting import games, pairs, seen


@pytest.mark.parametrize(
    "text",
    [
        "\\begin{thm}\nTwo is even.\n\\end{thm}\n\\begin{proof}\nIt is $2$.\n\\end{proof}\n",
        "\\begin{lem}[Of two]\\label{l}\nTwo is even.\n\\end{lem}\n% so\n\n\\begin{proof}[Of it]\n"
        "It is $2$. \\qed\n\\end{proof}\n",
        "\\begin{exercise} Two is even.\n\\end{exercise}\n"
        "\\begin{solution}It is $2$.\\end{solution}\n",
        "\\begin{problem}\nTwo is even.\n\\begin{sol}\nIt is $2$.\n\\end{sol}\n\\end{problem}\n",
        "\\begin{problem}%\nTwo is even.\n\\end{problem}%\n"
        "\\begin{onlysolution}%\nIt is $2$.\n\\end{onlysolution}\n",
        "\\question[5] Two is even.\n\\begin{solution}\nIt is $2$.\n\\end{solution}\n",
        "\\begin{enumerate}\n\\item Two is even.\n\\begin{answer}\nIt is $2$.\n\\end{answer}\n",
        "\\begin{theorem}[of-two]{Of two}\nTwo is even.\n\\end{theorem}\n"
        "\\begin{proof}\nIt is $2$.\n\\end{proof}\n",
        "\\begin{problem}\nOf two.\n\\begin{subproblem}\nTwo is even.\n"
        "\\begin{solution}\nIt is $2$.\n\\end{solution}\n\\end{subproblem}\n\\end{problem}\n",
        "\\newtheorem{art}{Article}\n\\begin{art}\nTwo is even.\n\\end{art}\n"
        "\\begin{proof}\nIt is $2$.\n\\end{proof}\n",
    ],
)
def test_environments(text):
    assert pairs(text) == [("Two is even.", "It is $2$.")]
    assert games(text) == {"latex"}


def test_a_proof_reasons_up_to_what_it_has_shown():
    text = (
        "\\begin{thm}A.\\end{thm}\n\\begin{proof}Let B.\nThen C. Hence A.\n\\qedhere\\end{proof}\n"
    )
    assert pairs(text) == [("A.", "Let B.\nThen C.", "Hence A.")]


def test_a_solution_reasons_up_to_its_final_answer():
    text = "\\begin{ex}1 + 1?\\end{ex}\n\\begin{solution}So $1 + 1 = \\boxed{2}$.\\end{solution}\n"
    assert pairs(text) == [("1 + 1?", "So $1 + 1 =", "2")]


def test_what_opens_and_closes_is_a_marker():
    spans = seen("\\begin{ex}[A]\nB?\n\\end{ex}\n\\begin{sol}\nC.\n\\end{sol}\n")
    assert [span.text for span in spans if span.kind == "marker" and span.text.strip()] == [
        "\\begin{ex}[A]",
        "\\end{ex}",
        "\\begin{sol}",
        "\\end{sol}",
    ]


def test_parts_each_have_their_solution():
    part = "\\part {0}?\n\\begin{{solution}}{0}.\\end{{solution}}\n"
    text = "\\begin{questions}\n\\question All:\n" + part.format("A") + part.format("B")
    assert pairs(text) == [("A?", "A."), ("B?", "B.")]


@pytest.mark.parametrize(
    "text",
    [
        "\\begin{theorem}A.\\end{theorem}\n\nProse.\n\n\\begin{proof}B.\\end{proof}\n",
        "\\begin{theorem}A.\\end{theorem}\n",
        "\\begin{proof}B.\\end{proof}\n",
        "\\begin{equation}A\\end{equation}\n\\begin{proof}B.\\end{proof}\n",
        "% \\begin{ex}A.\\end{ex}\n% \\begin{sol}B.\\end{sol}\n",
        "\\begin{verbatim}\n\\begin{ex}A.\\end{ex}\\begin{sol}B.\\end{sol}\n\\end{verbatim}\n",
        "\\begin{ex}A.\\end{ex}\n\\begin{sol}B.\n",  # not closed
        "\\begin{ex}\\end{ex}\n\\begin{sol}B.\\end{sol}\n",  # nothing asked
        "\\begin{ex}A?\n\\begin{answers}\n\\Ans1 B\n\\end{answers}\n\\end{ex}\n",  # choices
        "\\begin{itemize}\n\\item A\n\\end{itemize}\nB\n\\begin{solution}C.\\end{solution}\n",
        "\\begin{itemize}\n\\item A\n\\end{itemize}\n\\begin{proof}B.\\end{proof}\n",
        # A solution of all parts together, below the list of them.
        "\\question Both:\n\\begin{subquestions}\n\\subquestion A?\n\\end{subquestions}\n"
        "\\begin{solution}\nB.\n\\end{solution}\n",
        # A proof that is left out.
        "\\begin{thm}\nA.\n\\end{thm}\n\\begin{proof}[Not that easy]\n...\n\\end{proof}\n",
    ],
)
def test_what_is_no_pair(text):
    assert pairs(text) == []


@pytest.mark.parametrize(
    "unit",
    [
        "\\begin{ex}",
        "\\end{ex}\n",
        "\\begin{ex}A\\end{ex}\n",
        "\\item a\n",
        "\\begin{ex}A\\end{ex}\\begin{sol}B\\end{sol}\n",
        "\\begin{ex}[[",
    ],
)
def test_long_documents(unit):
    text = unit * 5_000
    assert "".join(span.text for span in seen(text)) == text
