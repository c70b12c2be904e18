"""Worked examples for prompts, written by people, that an evaluation harness carries."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.sets.worked import add_worked

REQUIREMENT = "lm-eval==0.4.13"
_TASKS = "lm_eval/tasks"
_THINK = "Let's think step by step."
_FINAL = re.compile(
    r"(?s)(?P<reasoning>.*\S)(?<!\bSo)(?<!\bThus)(?<!\bThus,)(?<!\bTherefore)(?<!\bTherefore,)"
    r"(?P<mark>\s+(?:(?:So |Therefore,? |Thus,? )?[Tt]he (?:final )?answer is:?"
    r"|\*\*Final Answer\*\*:) )"
    r"(?P<final>\S.*?)(?P<stop>\.?)\s*"
)


class _Loader(yaml.SafeLoader):
    """Reads over the harness's own tags."""


_Loader.add_multi_constructor("!", lambda *_: None)


def build(packages: Packages) -> Iterator[GoldSet]:
    """`exemplars-choice`, `exemplars-bbh` and `exemplars-other`."""
    root = packages.pypi(REQUIREMENT)
    for name, patterns, seen in (
        ("exemplars-choice", ("mmlu/flan_cot_fewshot/mmlu_*.yaml",), ""),
        ("exemplars-bbh", ("bbh/cot_fewshot/*.yaml",), ""),
        (
            "exemplars-other",
            ("gsm8k/gsm8k-cot*.yaml", "acpbench/*_cot_2shot/*.yaml"),
            "; held out till its faults were looked at, seen since",
        ),
    ):
        paths = [path for some in patterns for path in found_in(root, f"{_TASKS}/{some}")]
        documents = [_sheet(path) for path in paths]
        yield GoldSet(
            name=name,
            source="exemplars",
            kind="qca",
            note=f"exemplars of {REQUIREMENT}, {', '.join(patterns)}{seen}",
            documents=tuple(document for document in documents if document.n_episodes),
            held_out=False,
        )


def _sheet(path: Path) -> GoldDocument:
    task: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    document = GoldDocument(f"{path.parent.name}-{path.stem}")
    if task.get("description"):
        document.add(task["description"].strip() + "\n\n")
    samples = task.get("fewshot_config", {}).get("samples", [])
    for sample in samples if isinstance(samples, list) else []:
        asked = (sample.get("context"), sample.get("question") or sample.get("input"))
        question = "  ".join(text.strip() for text in asked if text)
        target = str(sample.get("target") or sample.get("answer") or "").strip()
        final = _FINAL.fullmatch(target.removeprefix(_THINK).lstrip())
        if question and final:
            add_worked(
                document,
                question,
                final["reasoning"],
                final["final"],
                marks=(*_labels(path, sample), final["mark"]),
                think=f"{_THINK} " if target.startswith(_THINK) or "input" in sample else "",
                stop=final["stop"],
            )
    return document


def _labels(path: Path, sample: dict[str, Any]) -> tuple[str, str]:
    """Before the question and between it and the response, as the task's template has them."""
    if "context" in sample:
        return "**Question**: ", " **Thoughts**: "
    return ("Problem: ", "\nSolution: ") if "llama" in path.stem else ("Q: ", "\nA: ")
