"""Worked examples that OpenCompass's configurations carry as rounds of HUMAN and BOT; held out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.sets.worked import add_worked

REQUIREMENT = "opencompass==0.5.4"
_CONFIGS = "opencompass/configs/datasets/**/*.py"
_MIN_ROUNDS = 2
_FILLED_IN = re.compile(r"^\s*(?:\w+[:：])?\s*\{\w+\}\s*$")
_ASKED = re.compile(
    r"(?s)(?P<label>(?:Question|Q|Problem|问题)[:：]\s*)?(?P<question>\S.*?)"
    r"(?P<ends>(?:\s*Let's think step by step\.?)?(?:\s*(?:Answer|Solution)[:：])?)\s*"
)
_WORKED = re.compile(
    r"(?s)(?P<label>(?:A|Answer|Response|回答)[:：]\s*)?"
    r"(?P<think>Let's think step by step[.,]?\s*)?(?P<reasoning>\S.*?[^\s])"
    r"(?P<mark>\s*(?:Final Answer: The final answer is \$?|答案(?:是|选项)[:：]?\s*|Answer option: "
    r"|(?:(?:So|Thus|Therefore|Hence),? )?[Tt]he answer is:? ))"
    r"(?P<final>[^\s$](?:(?!answer is|答案)[^\n])*?)"
    r"(?P<stop>\$?[.。]?(?: I hope it is correct\.)?)\s*"
)


def build(packages: Packages) -> Iterator[GoldSet]:
    """`exemplars-unseen`: rounds that work out a final answer, as a base model is prompted."""
    root = packages.pypi(REQUIREMENT)
    documents: dict[tuple[str, ...], GoldDocument] = {}
    for path in found_in(root, _CONFIGS):
        for n_before, rounds in enumerate(_rounds(path)):
            asked = tuple(question for question, _ in rounds)
            # Many configurations share their examples.
            if asked not in documents:
                document = _sheet(f"{path.stem}-{n_before}", rounds)
                if document is not None:
                    documents[asked] = document
    yield GoldSet(
        name="exemplars-unseen",
        source="rounds",
        kind="qca",
        note=f"worked rounds of {REQUIREMENT}, {_CONFIGS}; built after the rules were written",
        documents=tuple(documents.values()),
        held_out=True,
    )


def _rounds(path: Path) -> Iterator[list[tuple[str, str]]]:
    """What HUMAN and BOT say by turns in each list of a configuration that names both."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.List):
            said = [turn for turn in map(_turn, node.elts) if turn is not None]
            pairs = [
                (first[1], second[1])
                for first, second in zip(said[::2], said[1::2], strict=False)
                if (first[0], second[0]) == ("HUMAN", "BOT") and not _FILLED_IN.search(second[1])
            ]
            if len(pairs) >= _MIN_ROUNDS:
                yield pairs


def _turn(node: ast.expr) -> tuple[str, str] | None:
    """The role and prompt of `dict(role="BOT", prompt="...")`."""
    if not isinstance(node, ast.Call):
        return None
    values = {
        keyword.arg: keyword.value.value
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }
    return (values["role"], values["prompt"]) if {"role", "prompt"} <= values.keys() else None


def _sheet(name: str, rounds: list[tuple[str, str]]) -> GoldDocument | None:
    """The rounds one below the other; None unless all of them are worked."""
    document = GoldDocument(name)
    for said, answered in rounds:
        asked, worked = _ASKED.fullmatch(said.strip()), _WORKED.fullmatch(answered.strip())
        if asked is None or worked is None:
            return None
        add_worked(
            document,
            asked["question"],
            worked["reasoning"],
            worked["final"],
            marks=(
                asked["label"] or "",
                f"{asked['ends']}\n{worked['label'] or ''}",
                worked["mark"],
            ),
            think=worked["think"] or "",
            stop=worked["stop"],
        )
    return document
