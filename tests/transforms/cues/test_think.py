import pytest

from tests.transforms.segmenting import contents, games, pairs, seen

QCA = [("Why?", "1 + 1.", "2.")]


@pytest.mark.parametrize(
    "text",
    [
        "Q: Why?\nA: <think>1 + 1.</think>\n2.\n",
        "Question: Why?\nAnswer: <thinking>\n1 + 1.\n</thinking>\n\n2.\n",
        "Q: Why?\nA: <think>\n1 + 1.\n</think>\n<answer>2.</answer>\n",
        "Q: Why?\nA: 1 + 1.\n</think>\n\n2.\n",  # the prompt kept the opening tag
        "Why?\n<think>\n1 + 1.\n</think>\n\n2.\n",
        "Why?\n\n<think>1 + 1.</think>2.\n",
        "User: Why?\nAssistant: <think>\n1 + 1.\n</think>\n2.\n",
        "User: Why?\n\nAssistant:\n\n<think>\n1 + 1.\n</think>\n2.\n",
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
        "<think>\n1 + 1.\n</think>\n2.<|im_end|>\n",
    ],
)
def test_layouts(text):
    assert pairs(text) == QCA
    assert games(text) == {"think"}


def test_each_turn_of_a_chat_has_thoughts_of_its_own():
    turn = (
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>{}</think>\n{}<|im_end|>\n"
    )
    text = turn.format("Two and two?", "Add.", "4") + turn.format("And three?", "More.", "7")
    kinds = ["question", "reasoning", "answer"]
    said = ["Two and two?", "Add.", "4", "And three?", "More.", "7"]
    assert contents(text) == list(zip(kinds * 2, said, strict=True))


def test_tags_are_markers():
    spans = seen("Q: Why?\nA: <think>So.</think> 2.\n")
    assert [(span.text, span.player) for span in spans if "think" in span.text] == [
        ("A: <think>", 2),
        ("</think>", 2),
    ]


@pytest.mark.parametrize(
    ("thoughts", "reasoning"),
    [
        ("a <think> b </think> c", "a <think> b </think> c"),
        ("a\n<think>\nb\n</think>\nc", "a\n<think>\nb\n</think>\nc"),
        ("say `</think>` here", "say `</think>` here"),
        ('say "</think>" here', 'say "</think>" here'),
        ("the </think> tag closes", "the </think> tag closes"),
    ],
)
def test_nested_and_quoted_tags_are_thoughts(thoughts, reasoning):
    assert pairs(f"Q: Why?\nA: <think>{thoughts}</think>\n2.\n") == [("Why?", reasoning, "2.")]


def test_thoughts_that_never_end():
    assert pairs("Q: Why?\nA: <think>1 + 1\nQ: How?\nA: So.\n") == [
        ("Why?", "1 + 1"),
        ("How?", "So."),
    ]
    (first, *_) = [span for span in seen("Q: Why?\nA: <think>1 + 1\n") if span.text == "1 + 1"]
    assert first.kind == "reasoning"
    assert pairs("Q: Why?\nA: <think>1 + 1 = 2. So the answer is 2.\n") == [
        ("Why?", "1 + 1 = 2.", "2")
    ]


def test_several_questions_without_labels():
    block = "{0}?\n\n<think>\nSo {0}.\n</think>\n\nIt is {0}.\n\nMore.\n\n"
    assert pairs(block.format("One") + block.format("Two")) == [
        ("One?", "So One.", "It is One.\n\nMore."),
        ("Two?", "So Two.", "It is Two.\n\nMore."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The tag <think> opens thoughts and </think> closes them.\n",
        "Write `<think>` and then `</think>`.\n",
        "<think>\nSo.\n</think>\n2.\n",  # nothing asked
        "Why?\n\n<think>\nSo.\n",  # never closed, without a label
        "Why?\n\n<think>\nSo.\n</think>\n",  # no answer
        "It looks like this:\n\n<think>\nSo.\n</think>\n2.\n",
        "So:\n\n```\n<think>\nSo.\n</think>\n2.\n```\n",
        "Why?\n\n<think></think>\n2.\n",
        "Output:\n```\n<root>\n<think>So.</think>\n2.\n",
        "<root>\n<reasoning>So.</reasoning>\n</root>\n\nMore.\n",  # other markup
    ],
)
def test_what_is_spoken_of(text):
    assert pairs(text) == []


@pytest.mark.parametrize(
    "unit",
    [
        "<think>\n",
        "</think>\n",
        "Why?\n<think>a</think>\nb\n\n",
        "<think>",
        "</think> ",
        "a <think>:",
    ],
)
def test_long_documents(unit):
    text = unit * 5_000
    assert "".join(span.text for span in seen(text)) == text


def test_an_answer_ends_with_its_tag():
    text = (
        "Which?\n(A) one\n(B) two\n<reasoning>\nNot one.\n</reasoning>\n"
        "<answer>\n(B)\n</answer>\n\nThen it went on.\n"
    )
    assert pairs(text) == [("Which?\n(A) one\n(B) two", "Not one.", "(B)")]


def test_a_string_of_a_program_shows_a_format():
    text = 'x = f"""Solve it.\n\n<think>\n[your steps]\n</think>\n\nThe answer is:"""\n\ny = 1\n'
    assert pairs(text) == []
    assert pairs('x = {\n"start": "<think>\\n",\n"end": (\n1 </think>)",\n}\n') == []


def test_a_prompt_ends_with_an_open_tag():
    text = "Input: Say 1.\nTarget:\n<scratch>\nOne.\n</scratch>\n1\n\n"
    assert pairs(f"{text}Input: Say 2.\nTarget:\n<scratch>\n") == [("Say 1.", "One.", "1")]


def test_of_two_episodes_that_start_together_one_that_reasons_is_kept():
    # By themselves the lines that ask would be answered by all that follows them.
    asked = ["Why so?", "Say it.", "Why not?", "Say so.", "Why now?", "Say no."]
    steps = "Target:\n<scratch>\nIt is late now.\n</scratch>\nlate\n\n"
    text = "".join(f"Input: {question}\n{steps}" for question in asked)
    assert pairs(text) == [(question, "It is late now.", "late") for question in asked]
