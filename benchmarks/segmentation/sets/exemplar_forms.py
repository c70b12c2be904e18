"""Synthetic exemplars in the forms of prompts, textbooks and data files: one document a form."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages

_SEED = 23
_N_EXEMPLARS = 10
_THINK = "Let's think step by step. "


class Form(NamedTuple):
    """What stands before a question, its reasoning, its final answer and after that.

    `{n}` stands for the exemplar's number.
    """

    before: str
    reasons: str
    answers: str
    stop: str = ""
    after: str = "\n\n"
    think: str = ""
    """What opens the reasoning in so many words; it may as well be part of it."""


PROMPTS = {
    "said": Form("Q: ", "\nA: ", " The answer is ", "."),
    "said-close": Form("Q: ", "\nA: ", " So the answer is ", ".", "\n"),
    "step-by-step": Form("Q: ", "\nA: ", " Therefore, the answer is ", ".", think=_THINK),
    "question-answer": Form(
        "Question: ", "\nAnswer: ", "\nSo the final answer is: ", "", "\n\n###\n\n"
    ),
    "reasoning": Form("Q: ", "\nReasoning: ", "\nA: "),
    "reasoning-words": Form("Question: ", "\nReasoning: ", "\nAnswer: ", "", "\n\n---\n\n"),
    "reasoning-lines": Form("Question:\n", "\n\nReasoning:\n", "\n\nAnswer:\n"),
    "one-line": Form("Q: ", " Reasoning: ", " A: "),
    "one-line-bold": Form("**Question**: ", " **Thoughts**: ", " **Answer**: "),
    "explanation": Form("Q: ", "\nExplanation: ", "\nA: ", "", "\n"),
    "thought": Form("Question: ", "\nThought: ", "\nAnswer: "),
    "thought-close": Form("Question: ", "\nThought: ", "\nAnswer: ", "", "\n"),
    "rationale": Form("Problem: ", "\nRationale: ", "\nFinal answer: "),
    "chain": Form("Question: ", "\nChain of thought: ", "\nAnswer: "),
    "bracketed": Form("[QUESTION]\n", "\n[THOUGHT]\n", "\n[ANSWER]\n"),
    "marked": Form(
        "[[ ## question ## ]]\n",
        "\n\n[[ ## reasoning ## ]]\n",
        "\n\n[[ ## answer ## ]]\n",
        "\n\n[[ ## completed ## ]]",
    ),
    "tags": Form("Question: ", "\n<reasoning>\n", "\n</reasoning>\n<answer>\n", "\n</answer>"),
    "tags-close": Form("Q: ", "\nA: <reasoning>", "</reasoning><answer>", "</answer>"),
    "tags-all": Form(
        "<question>\n",
        "\n</question>\n<reasoning>\n",
        "\n</reasoning>\n<answer>\n",
        "\n</answer>",
        "\n",
    ),
    "target": Form("Input: ", "\nTarget: ", " So the answer is ", "."),
    "scratch": Form("Input: ", "\nTarget:\n<scratch>\n", "\n</scratch>\n"),
    "instruction": Form("### Instruction:\n", "\n\n### Response:\n", "\nAnswer: "),
    "instruction-said": Form("### Instruction\n", "\n\n### Response\n", " The answer is ", "."),
    "titles": Form("### Question\n\n", "\n\n### Explanation\n\n", "\n\n### Answer\n\n"),
    "input-output": Form("Input: ", "\nOutput: ", " So the answer is ", "."),
    "example": Form("Example {n}:\nInput: ", "\nOutput: ", " So the answer is ", "."),
    "example-question": Form("Example {n}\nQuestion: ", "\nReasoning: ", "\nAnswer: "),
    "numbered": Form("Question {n}: ", "\nReasoning {n}: ", "\nAnswer {n}: "),
    "bold": Form("**Question:** ", "\n\n**Reasoning:** ", "\n\n**Answer:** ", "", "\n\n---\n\n"),
    "bold-solution": Form("**Problem {n}.** ", "\n\n**Solution.** ", "\n\n**Answer:** "),
    "human": Form("Human: ", "\n\nAssistant: ", " So the answer is ", "."),
    "user": Form("User: ", "\nAssistant: ", "\nFinal answer: "),
    "self-ask": Form(
        "Question: ",
        "\nAre follow up questions needed here: Yes.\n",
        "\nSo the final answer is: ",
        "",
    ),
    "act": Form("Question: ", "\nThought 1: ", "\nAction 1: Finish[", "]"),
    "act-final": Form("Question: ", "\nThought: ", "\nFinal Answer: "),
}
BOOKS = {
    "mathematics": Form(
        "Problem:\n",
        "\n\nSolution:\n",
        "\nFinal Answer: The final answer is $",
        "$. I hope it is correct.",
    ),
    "boxed": Form("Problem: ", "\n\nSolution: ", " The answer is $\\boxed{", "}$."),
    "solution-answer": Form("Problem: ", "\nSolution: ", "\nAnswer: "),
    "problem": Form("Problem {n}. ", "\n\nSolution. ", "\n\nAnswer. "),
    "exercise": Form("Exercise {n}. ", "\nSolution: ", "\nAns. "),
    "example-book": Form("EXAMPLE 3.{n} ", "\n\nSOLUTION ", "\n\nANSWER: "),
    "example-solution": Form("Example 3.{n}. ", "\n\nSolution. ", " Hence the answer is ", ". ∎"),
    "hence": Form("Example {n}: ", "\n\nSolution: ", " Hence, the answer is ", "."),
    "short": Form("Ex. {n}: ", "\nSol. ", "\nAns. "),
    "plain": Form("", "\n\nSolution: ", "\n\nAnswer: "),
    "given": Form("Problem: ", "\nGiven: all that is said above.\nSolution: ", "\nAnswer: "),
}
LANGUAGES = {
    "german": Form("Frage: ", "\nBegründung: ", "\nAntwort: "),
    "german-task": Form("Aufgabe {n}: ", "\nLösung: ", "\nAntwort: "),
    "german-steps": Form("Frage: ", "\nSchritt-für-Schritt-Antwort: ", " Die Antwort ist ", "."),
    "french": Form("Question : ", "\nRaisonnement : ", "\nRéponse : "),
    "spanish": Form("Pregunta: ", "\nRazonamiento: ", "\nRespuesta: "),
    "spanish-said": Form("Pregunta: ", "\nRespuesta: ", " La respuesta es ", "."),
    "portuguese": Form("Pergunta: ", "\nRaciocínio: ", "\nResposta: "),
    "italian": Form("Domanda: ", "\nRagionamento: ", "\nRisposta: "),
    "russian": Form("Вопрос: ", "\nРассуждение: ", "\nОтвет: "),
    "chinese": Form("问题：", "\n推理：", "\n答案："),
    "japanese": Form("問題：", "\n解説：", "\n答え："),
}
FILES = {
    "yaml": Form("- question: ", "\n  reasoning: ", "\n  answer: ", "", "\n"),
    "yaml-target": Form("- input: ", "\n  target: ", " So the answer is ", ".", "\n"),
    "json-lines": Form('{"question": "', '", "reasoning": "', '", "answer": "', '"}', "\n"),
    "json": Form(
        '  {\n    "question": "', '",\n    "rationale": "', '",\n    "answer": "', '"\n  },', "\n"
    ),
    "json-said": Form('{"input": "', '", "target": "', " So the answer is ", '."}', "\n"),
}


def build(packages: Packages) -> Iterator[GoldSet]:
    """`forms-prompts`, `forms-books`, `forms-languages` and `forms-files`: no package is needed."""
    del packages
    for name, forms in (
        ("prompts", PROMPTS),
        ("books", BOOKS),
        ("languages", LANGUAGES),
        ("files", FILES),
    ):
        draw = random.Random(_SEED)
        documents = [
            _sheet(key, form, draw, in_line=name == "files") for key, form in forms.items()
        ]
        yield GoldSet(
            name=f"forms-{name}",
            source="exemplar-forms",
            kind="qca",
            note=f"synthetic exemplars in {len(forms)} forms",
            documents=tuple(documents),
        )


def _sheet(name: str, form: Form, draw: random.Random, *, in_line: bool) -> GoldDocument:
    document = GoldDocument(name)
    if not in_line:
        document.add("Answer what is asked, as in what follows.\n\n")
    for number in range(1, _N_EXEMPLARS + 1):
        question, steps, final = draw.choice((_sum, _yes, _choice, _word))(draw)
        glue = " "
        if not in_line and "\n" in form.answers:
            glue = draw.choice((" ", "\n", "\n\n"))
        if glue == "\n" and draw.random() < 0.5:
            steps = [f"{i}. {step}" for i, step in enumerate(steps, 1)]
        # A choice has a line for each option, unless a field or a line holds all.
        if in_line or "\n" not in form.reasons + form.answers:
            question = question.replace("\n", " ")
        marks = [part.replace("{n}", str(number)) for part in form[:3]]
        _add(document, form, question, glue.join(steps), final, marks)
    if not in_line:
        # A prompt ends with the question that is to be answered.
        asked = f"{form.before}{draw.choice((_sum, _yes, _choice, _word))(draw)[0]}{form.reasons}"
        document.add(f"{asked}{form.think}".replace("{n}", str(_N_EXEMPLARS + 1)).rstrip())
    return document


def _add(
    document: GoldDocument, form: Form, question: str, reasoning: str, final: str, marks: list[str]
) -> None:
    episode = document.open_episode(question, reasoning + final)
    for mark, kind, text in zip(
        marks, ("question", "reasoning", "answer"), (question, reasoning, final), strict=True
    ):
        document.add(mark, "marker", episode)
        if kind == "reasoning":
            document.add(form.think, "marker", episode, soft=True)
        document.add(text, kind, episode)
    document.add(form.stop, "marker", episode, soft=True)
    document.add(form.after)


def _sum(draw: random.Random) -> tuple[str, list[str], str]:
    a, b, c = draw.randint(20, 60), draw.randint(2, 9), draw.randint(2, 9)
    what = draw.choice(("apples", "screws", "coins", "plates"))
    asks = draw.choice((" How many are there now?", " Find the number of all."))
    question = f"A shop has {a} {what} and buys {b} bags with {c} {what} in each.{asks}"
    steps = [
        f"The bags hold {b} * {c} = {b * c} {what}.",
        f"With the {a} that were there, it is {a} + {b * c} = {a + b * c}.",
    ]
    return question, steps, str(a + b * c)


def _yes(draw: random.Random) -> tuple[str, list[str], str]:
    thing, fact, final = draw.choice(
        (
            ("a pear sink in water", "The density of a pear is about 0.6 g/cm3.", "no"),
            ("an owl see at night", "Owls hunt after dusk, and for that they must see.", "yes"),
            ("a week outlast a day", "A week is made of seven days.", "yes"),
            ("a snail overtake a horse", "Snails are among the slowest of animals.", "no"),
        )
    )
    last = "Little else matters here." if final == "yes" else "That is far below what it takes."
    return f"Would {thing}?", [fact, last], final


def _choice(draw: random.Random) -> tuple[str, list[str], str]:
    names = draw.sample(("copper", "glass", "wool", "paper", "rubber"), 4)
    right = draw.randrange(4)
    options = "\n".join(f"({'ABCD'[i]}) {name}" for i, name in enumerate(names))
    steps = [
        f"Of the four, only {names[right]} has been tried for this.",
        "It held, while the others were never asked for.",
    ]
    return f"Which of these holds best?\n{options}", steps, f"({'ABCD'[right]})"


def _word(draw: random.Random) -> tuple[str, list[str], str]:
    words = draw.sample(("lamp", "river", "stone", "bread", "cloud"), 3)
    question = f'Take the last letters of the words in "{" ".join(words)}" and join them.'
    question = question.replace('"', "'")
    steps = [f"The last letter of '{word}' is '{word[-1]}'." for word in words]
    return question, steps, "".join(word[-1] for word in words)
