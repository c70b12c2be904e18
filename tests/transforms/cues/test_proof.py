import pytest

from tests.transforms.segmenting import games, pairs, seen

STATED = "Every even square is four times a square."
QCA = [(STATED, "Let n = 2k. Its square is 4kk.", "Hence n is so.")]


@pytest.mark.parametrize(
    "text",
    [
        "Theorem 1. {}\n\nProof. {} {} □\n",
        "Theorem 1 (Squares). {}\n\nProof: {} {} QED\n",
        "THEOREM 1.2. {}\nPROOF. {} {} Q.E.D.\n",
        "**Lemma 3.** {}\n\n**Proof.** {} {} ∎\n",
        "**Lemma 3** (squares)**.** {}\n\n*Proof.* {} {} $\\square$\n",
        "### Proposition\n\n{}\n\n### Proof\n\n{} {}\n\n### More\n\nprose\n",
        "Corollary 2: {}\n\nProof of Corollary 2. {} {}\n",
        "Satz 4. {}\n\nBeweis. {} {} q.e.d.\n",
        "Теорема 1. {}\n\nДоказательство. {} {}\n",
        "Lemma. {}\n\nProof. {} {}\n\nTheorem 2. It is so.\n\nMore prose.\n",
    ],
)
def test_statements_and_proofs(text):
    assert pairs(text.format(STATED, *QCA[0][1:])) == QCA
    assert games(text.format(STATED, *QCA[0][1:])) == {"proof"}


def test_a_proof_of_one_sentence_answers():
    assert pairs("Lemma 1. Two is even.\n\nProof. It is one and one. □\n") == [
        ("Two is even.", "It is one and one.")
    ]


def test_a_marked_last_sentence_answers_whatever_opens_it():
    text = "Lemma 1. Two is even.\n\nProof. Add one.\n\nDo it again. It is two. ∎\n\nProse.\n"
    assert pairs(text) == [("Two is even.", "Add one.\n\nDo it again.", "It is two.")]
    assert pairs(text.replace(" ∎", "").replace("Prose.\n", "Prose. " * 900)) == [
        ("Two is even.", "Add one.")
    ]


def test_the_mark_is_a_marker():
    spans = seen("Lemma 1. Two is even.\n\nProof. It is so. □\n")
    assert [(span.kind, span.text) for span in spans][-4:] == [
        ("answer", "It is so."),
        ("marker", " "),
        ("marker", "□"),
        ("text", "\n"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Theorem 1. It is so.\n\nNo more is known.\n",  # without proof
        "Theorem 3 shows that it is so.\n\nProof. It is so. □\n",  # prose about one
        "It is so.\n\nProof. It is so. □\n",  # without statement
        "Theorem 1. It is so.\n\n# Part\n\nProof. It is so.\n",  # another part's
        "Theorem proving is hard.\n\nProof assistants help. □\n",
        "The proof. It is so.\n",
        "Lemma 1. It is so.\n\nProof.\n",
    ],
)
def test_what_is_no_proof(text):
    assert pairs(text) == []


def test_each_proof_has_the_statement_right_above():
    text = "Lemma 1. A.\n\nLemma 2. B.\n\nProof. C.\n\nProof. D.\n"
    assert pairs(text) == [("B.", "C.")]


@pytest.mark.parametrize(
    "unit", ["Theorem 1. A\n\n", "Proof. A\n\n", "Theorem 1. A\n\nProof. B\n\n", "□\n", "Proof. □ "]
)
def test_long_documents(unit):
    text = unit * 3_000
    assert "".join(span.text for span in seen(text)) == text


def test_a_calculation_is_part_of_a_marked_proof():
    steps = "Unwind it.\n\nBase case:\n(rev x)\n\n= {Lemma 2, below}\n\n(app x nil)."
    assert pairs(f"Theorem 1.\n(rev x)\n\nProof. {steps}\n\nQ.E.D.\n\nMore.\n") == [
        ("(rev x)", steps)
    ]


def test_a_rule_ends_an_unmarked_proof():
    assert pairs("Theorem: It is so.\nProof: Suppose not.\n%\nAnother joke.\n") == [
        ("It is so.", "Suppose not.")
    ]


def test_a_capital_is_no_number():
    assert pairs("Lemma REAL_MUL x : x * 1 = x.\n\nProof.\nby move.\n") == []
