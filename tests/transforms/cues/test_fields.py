import pytest

from tests.transforms.segmenting import games, pairs

QCA = [("Why?", "1 + 1 = 2.", "2")]


@pytest.mark.parametrize(
    "text",
    [
        '{"question": "Why?", "rationale": "1 + 1 = 2.", "answer": "2"}\n',
        '{"id": 3, "question": "Why?", "reasoning": "1 + 1 = 2.", "final_answer": "2", "n": 1}\n',
        '{"question": "Why?", "answer": "1 + 1 = 2.\\n#### 2"}\n',  # escaped ends of lines
        '[\n  {\n    "input": "Why?",\n    "target": "1 + 1 = 2. The answer is 2."\n  }\n]\n',
        'SHOTS = [\n  {"question": "Why?",\n   "answer": """\n1 + 1 = 2.\n#### 2\n"""},\n]\n',
        "{'question': 'Why?', 'thought': '1 + 1 = 2.', 'answer': '2'}\n",
        "- question: Why?\n  reasoning: 1 + 1 = 2.\n  answer: 2\n",
        "shots:\n  - input: |\n      Why?\n    target: >-\n      1 + 1 = 2.\n\n      Answer: 2\n"
        "  - id: 3\n",
        '- question: \'Why?\'\n  explanation: "1 + 1 = 2."\n  answer: "2"\n',
        "<question>Why?</question><reasoning>1 + 1 = 2.</reasoning><answer>2</answer>\n",
        '<question id="1">\nWhy?\n</question>\n<rationale>\n1 + 1 = 2.\n</rationale>\n'
        "<answer>\n2\n</answer>\n",
    ],
)
def test_fields_ask_reason_and_answer(text):
    assert pairs(text) == QCA
    assert pairs(text * 2) == QCA * 2
    assert games(text) == {"fields"}


def test_records_in_one_line():
    text = '[{"question": "Why?", "answer": "So."}, {"question": "How?", "answer": "Thus."}]\n'
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_an_explanation_may_stand_below_the_answer():
    text = '{"question": "Why?", "answer": "2", "explanation": "1 + 1 = 2."}\n'
    assert pairs(text) == [("Why?", "2", "1 + 1 = 2.")]


def test_an_input_belongs_to_its_instruction():
    text = '{"instruction": "Add.", "input": "1, 1", "output": "2"}\n'
    assert pairs(text) == [('Add.", "input": "1, 1', "2")]


def test_the_last_record_is_not_answered():
    text = '{"question": "Why?", "answer": "So."}\n{"question": "How?", "answer": ""}\n'
    assert pairs(text) == [("Why?", "So.")]


@pytest.mark.parametrize(
    "text",
    [
        '[[faq]]\nquestion = "Why?"\nanswer = "So."\n',
        "question = 'Why?'\nn = 3\nanswer = 'So.'\n",  # another field between
        '[a]\nq = """\nWhy?\n"""\na = """\nSo.\n"""\n',
    ],
)
def test_fields_of_toml(text):
    assert pairs(text) == [("Why?", "So.")]


@pytest.mark.parametrize(
    "text",
    [
        '{"input": "a.txt", "output": "b.txt"}\n',  # names of many things
        '{"question": "Why?"}\n{"answer": "So."}\n',  # two records
        '{"question": 3, "answer": "So."}\n',
        '{"answer": "So.", "question": "Why?"}\n',
        'prompt = "> "\nresponse = "ok"\n',  # a program
        'question = "Why?"\n\n[other]\nanswer = "So."\n',
        "- question: Why?\n- answer: So.\n",
        "<question>Why?\n<answer>So.\n",
        "Say <question>Why?</question><answer>So.</answer> in the form.\n",
    ],
)
def test_what_is_no_record(text):
    assert "fields" not in games(text)


def test_a_context_that_opens_an_item_belongs_to_its_question():
    text = (
        "- context: 'It is.'\n  question: 'Why?'\n  answer: \"1 + 1 = 2. **Final Answer**: 2.\"\n"
    )
    asked = "It is.'\n  question: 'Why?"
    assert pairs(text * 2) == [(asked, "1 + 1 = 2.", "2")] * 2
    assert pairs("- context: It is.\n  answer: So.\n") == []
