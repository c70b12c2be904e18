import pytest

from transforms.cues.final import read_final


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1 + 1 = 2\n#### 2", "2"),
        ("1 + 1 = 2\n#### -1,000", "-1,000"),
        ("1 + 1 = 2. So the answer is 2.", "2"),
        ("1 + 1 = 2. So the answer is 2 apples.", "2 apples"),
        ("He did not. So the answer is no.", "no"),
        ("He did. Thus, the final answer is: **yes**.", "yes"),
        ("The rest fails. The correct option is (B).", "(B)"),
        ("The rest fails. Therefore (B) is the correct answer.", "(B)"),
        ("1 + 1 = 2. Answer: 2.", "2"),
        ("1 + 1 = 2.\nAnswer: 2 km/h", "2 km/h"),
        ("1 + 1 = 2.\nAnswer:\n2", "2"),
        ("1 + 1 = 2.\n\n**Final Answer:** 2.", "2"),
        ("1 + 1 = 2.\n\n### Answer\n: 2".replace("\n:", ":"), "2"),
        ("1 + 1 = 2.\n\n**Answer**\n\n3/4", "3/4"),
        ("1 + 1 = 2.\n\n### Final answer\n\n2", "2"),
        ("1 + 1 = 2.\n<answer> 2 km </answer>", "2 km"),
        ("1 + 1 = 2.\n[ANSWER]\n2\n[/ANSWER]", "2"),
        ("1 + 1 = 2.\nSo the answer is:\n\n2", "2"),
        ("1 + 1 = 2. In conclusion, the answer is 2.", "2"),
        ("1 + 1 = 2.\nTherefore: 2", "2"),
        ("2x = 10, 10 / 2 = 5.\n∴ x = 5", "x = 5"),
        (
            "So $x = \\boxed{2}$.\nFinal Answer: The final answer is $2$. I hope it is correct.",
            "2",
        ),
        ("So $x = \\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("It is $\\boxed{1}$ or rather $\\boxed{2}$.", "2"),
        ("So there are $\\boxed{42}$ ways to seat them.", "42"),
        ("\\[ 1 + 1 = \\boxed{2} \\]", "2"),
        ("2x = 10. Therefore x = 5.", "x = 5"),
        ("First 2 * 3 = 6.\nSo there are 6 eggs left.", "there are 6 eggs left"),
        ("2x = 10, 10 / 2 = 5. Hence, $x = 5$.", "$x = 5$"),
        ("1 + 1 = 2. La respuesta es 2.", "2"),
        ("1 + 1 = 2. La réponse est 2.", "2"),
        ("1 + 1 = 2. Ответ — 2.", "2"),
        ("1 + 1 = 2。答えは2です。", "2"),
        ("1 + 1 = 2，所以答案是 2。", "2"),
    ],
)
def test_final_answers(text, answer):
    final = read_final(text)
    assert final is not None
    assert text[final.start : final.end] == answer
    assert 0 <= final.label <= final.start


@pytest.mark.parametrize(
    "text",
    [
        "The answer is no. Then it went on.",
        "The answer is a long story that began when nobody knew yet what would become of it all.",
        "So use another version.",  # concludes no sum
        "It costs 5. So buy 2.",
        "It was late. Therefore he left.",
        "1 + 1 = 2. So it went on and on, and nobody could tell me what it would come to at last.",
        "See \\boxed{1}. Boxes are drawn around what a reader is to find at once, such as this.",
        "\\boxed{1",
        "\\boxed{}",
        "Note: 1 + 1 = 2",
        "Answer: one.\n\nThen more paragraphs follow.",
    ],
)
def test_what_is_no_final_answer(text):
    assert read_final(text) is None


@pytest.mark.parametrize("unit", ["so the answer is ", "\\boxed{", "Answer: \n", "a = b + ", "So "])
def test_long_responses_are_read_in_linear_time(unit):
    read_final(unit * 20_000)
