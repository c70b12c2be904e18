"""Synthetic sums with worked answers: question, reasoning, final answer, in three layouts."""

import random
from collections.abc import Iterator

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages

_SEED = 11
_PEOPLE = ("Ada", "Ben", "Cleo", "Dov", "Ena")
_THINGS = ("apples", "screws", "coins", "plates")


def build(packages: Packages) -> Iterator[GoldSet]:
    """`worked`, which needs no package."""
    del packages
    draw = random.Random(_SEED)
    documents = []
    for layout in (_hashed, _stepwise, _exercise):
        for sheet in range(4):
            document = GoldDocument(f"{layout.__name__.strip('_')}-{sheet}")
            document.add("A sheet of sums. Take one after the other.\n\n")
            for number in range(1, 16):
                layout(document, number, *_sum(draw))
            documents.append(document)
    yield GoldSet(
        name="worked",
        source="worked",
        kind="qca",
        note="synthetic worked sums in three layouts",
        documents=tuple(documents),
    )


def _sum(draw: random.Random) -> tuple[str, list[str], str]:
    who, what = draw.choice(_PEOPLE), draw.choice(_THINGS)
    a, b, c = draw.randint(20, 60), draw.randint(2, 9), draw.randint(2, 9)
    if draw.random() < 0.5:
        question = (
            f"{who} owns {a} {what} and finds {b} bags with {c} {what} in each. How many now?"
        )
        steps = [
            f"The bags hold {b} * {c} = {b * c} {what}.",
            f"In all {a} + {b * c} = {a + b * c}.",
        ]
        return question, steps, str(a + b * c)
    question = (
        f"A stall sells {a} {what} each day. Of {b} days' sales {c} come back. How many stay?"
    )
    steps = [
        f"{b} days make {a} * {b} = {a * b} {what}.",
        f"Then {a * b} - {c} = {a * b - c} stay.",
    ]
    return question, steps, str(a * b - c)


def add_worked(
    document: GoldDocument,
    question: str,
    reasoning: str,
    final: str,
    *,
    marks: tuple[str, str, str],
    think: str = "",
    stop: str = "",
) -> None:
    """Adds a question, its reasoning and final answer, each after its mark."""
    episode = document.open_episode(question, reasoning + final)
    document.add(marks[0], "marker", episode)
    document.add(question, "question", episode)
    document.add(marks[1], "marker", episode)
    document.add(think, "marker", episode, soft=True)
    document.add(reasoning, "reasoning", episode)
    document.add(marks[2], "marker", episode)
    document.add(final, "answer", episode)
    document.add(stop, "marker", episode, soft=True)
    document.add("\n\n")


def _hashed(document: GoldDocument, _: int, question: str, steps: list[str], final: str) -> None:
    marks = ("Question: ", "\nAnswer: ", "\n#### ")
    add_worked(document, question, "\n".join(steps), final, marks=marks)


def _stepwise(document: GoldDocument, _: int, question: str, steps: list[str], final: str) -> None:
    think = "Let's think step by step. "
    marks = ("Q: ", "\nA: ", " The answer is ")
    add_worked(document, question, " ".join(steps), final, marks=marks, think=think, stop=".")


def _exercise(
    document: GoldDocument, number: int, question: str, steps: list[str], final: str
) -> None:
    marks = (f"Exercise {number}.\n", "\nSolution.\n", "\nAnswer: ")
    add_worked(document, question, "\n".join(steps), final, marks=marks)
