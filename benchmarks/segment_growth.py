"""Whether segmentation is linear: CPU seconds at n and at 4 n for inputs that invite worse.

    .venv/bin/python benchmarks/segment_growth.py --units 50000

Each input is one document, or a table of many tiny ones, made of n units. A ratio near 4 is linear,
near 16 quadratic; small inputs fall below 4, because a call costs some milliseconds by itself.
"""

import argparse
import gc
import time
from collections.abc import Callable

import pyarrow as pa

from schemas.episode import DOCUMENTS
from transforms.segment import segment_documents

INPUTS: dict[str, Callable[[int], list[str]]] = {
    'lines "Q:"': lambda n: ["Q:\n" * n],
    'lines "A:"': lambda n: ["A:\n" * n],
    'lines "F:", then lines "A:"': lambda n: ["F:\n" * n + "A:\n" * n],
    'lines "Q: x?"': lambda n: ["Q: x?\n" * n],
    "pairs": lambda n: ["Q: x?\nA: y\n" * n],
    "pairs without an answer's label": lambda n: ["Q: x?\ny\n\n" * n],
    "questions, then answers": lambda n: ["Q: x?\n" * n + "A: y\n" * n],
    "worked pairs": lambda n: ["Q: x?\nA: y\n#### 1\n" * n],
    "the answer is, again and again": lambda n: ["Q: x?\nA: y\n" + "the answer is " * n + "1."],
    "boxes": lambda n: ["Q: x?\nA: y " + "\\boxed{" * n + "}"],
    "blank lines": lambda n: ["\n" * n],
    "blank lines in an answer": lambda n: ["Q: x?\nA: y" + "\n" * n + "z"],
    'lines "#### 1"': lambda n: ["#### 1\n" * n],
    'a question and lines "#### 1"': lambda n: ["Why?\n" + "#### 1\n" * n],
    'steps, then lines "#### 1"': lambda n: ["Why?\n" + "step\n" * n + "#### 1\n" * n],
    "prompts": lambda n: [">>> x\n" * n],
    "prompts with output": lambda n: [">>> x\n1\n" * n],
    "a prompt with long output": lambda n: [">>> x\n" + "1\n" * n],
    "a prompt with continuations": lambda n: [">>> x\n" + "... y\n" * n + "1\n"],
    "questions alone": lambda n: ["Why?\n" * n],
    "questions with bodies": lambda n: ["Why is it?\n\nSo.\n\n" * n],
    "hanging questions": lambda n: ["Why is it?\n  So.\n\n" * n],
    "headings": lambda n: ["# a\n" * n],
    "headings that ask": lambda n: ["# Why?\n\nSo.\n\n" * n],
    "headings ever deeper": lambda n: ["# A?\n## B?\n### C?\n#### D?\n##### E?\n###### F?\n" * n],
    "underlined headings": lambda n: ["Why?\n====\n\nSo.\n\n" * n],
    "link targets": lambda n: ["# Why?\n\nSo.\n\n" + ".. _a:\n" * n + "# How?\n\nSo.\n"],
    "rules": lambda n: ["===\n" * n],
    "fences": lambda n: ["```\n~~~\n" * n],
    "one line": lambda n: ["word " * n],
    "one line of question marks": lambda n: ["?" * n],
    "one line that asks": lambda n: ["Why " + "(x) ? " * n],
    "one line after a label": lambda n: ["Q: x?\nA: " + "y " * n],
    "spaces between word and mark": lambda n: ["Q" + " " * n + ":\nA" + " " * n + ":\n"],
    "spaces in a heading": lambda n: ["# a" + " " * n + "b?\n\nSo.\n"],
    "hashes in a heading": lambda n: ["# a" + " #" * n + "b?\n\nSo.\n"],
    "spaces after a question": lambda n: ["Why?" + " " * n + "(\n\nSo.\n"],
    "asterisks after a question": lambda n: ["Q: x?" + "*" * n + " A: y\n"],
    "no-break spaces": lambda n: ["\u00a0" * n],
    "ideographic spaces": lambda n: ["\u3000" * n],
    "no-break spaces in a pair": lambda n: ["Q: x?" + "\u00a0" * n + "\nA: " + "\u00a0" * n + "y"],
    "ideographic spaces in a pair": lambda n: ["Q: x?\n" + "\u3000\n" * n + "A: y"],
    "quotes": lambda n: ["> " * n],
    "lines of quotes": lambda n: ["> > > Q: x?\n" * n],
    "quoted lines with replies": lambda n: ["> Is it so?\n\nIt is.\n\n" * n],
    "quoted lines alone": lambda n: ["> x\n" * n],
    "quotes ever deeper": lambda n: [
        "".join("> " * (i % 60 + 1) + "x?\n" + "so\n" * (i % 7 == 0) for i in range(n))
    ],
    "attributions": lambda n: ["On Monday, Ann wrote:\n" * n],
    "functions with docstrings": lambda n: ['def f():\n    """Does."""\n    return 1\n\n\n' * n],
    "signatures that never end": lambda n: ["def f(\n" * n],
    "docstrings that never close": lambda n: ['def f():\n    """Does.\n' * n],
    "chats": lambda n: ["User: a\nAssistant: b\n\n" * n],
    "labels in one line": lambda n: ["Q: x? Reasoning: y. A: z.\n" * n],
    "a talk of two": lambda n: ["ANN: Why so?\nBEN: Because.\n" * n],
    "a talk of many": lambda n: ["".join(f"N{chr(65 + i % 26)}: word\n" for i in range(n))],
    "every speaker another": lambda n: ["".join(f"Name{i}: word\n" for i in range(n))],
    "a chat": lambda n: ["<ann> why?\n<ben> so\n" * n],
    "numbered questions, then answers": lambda n: [
        "Questions\n"
        + "".join(f"{i}. Why?\n" for i in range(n))
        + "\nAnswers\n"
        + "".join(f"{i}. So.\n" for i in range(n))
    ],
    "numbers alone": lambda n: ["".join(f"{i}. x\n" for i in range(n))],
    "exercises": lambda n: ["".join(f"Exercise {i}.\nx\nSolution.\ny\n" for i in range(n))],
    "exercises, then solutions": lambda n: [
        "".join(f"Exercise {i}. x\n" for i in range(n))
        + "".join(f"Solution {i}. y\n" for i in range(n))
    ],
    "theorems": lambda n: ["Theorem 1. x.\n\nProof. y.\n\n" * n],
    "theorems without proofs": lambda n: ["Theorem 1. x.\n\n" * n],
    "environments": lambda n: [
        "\\begin{theorem}\nx\n\\end{theorem}\n\\begin{proof}\ny\n\\end{proof}\n" * n
    ],
    "environments that open": lambda n: ["\\begin{problem}\n" * n],
    "thoughts": lambda n: ["Q: x?\nA: <think>y</think> z\n" * n],
    "thoughts that open": lambda n: ["Q: x?\nA: " + "<think>" * n],
    "choices": lambda n: ["1. Which?\nA) x\nB) y\nC) z\nAnswer: B\n\n" * n],
    "options alone": lambda n: ["A) x\nB) y\n" * n],
    "shell prompts": lambda n: ["$ ls\na b\n" * n],
    "shell prompts alone": lambda n: ["$ ls\n" * n],
    "cells": lambda n: ["".join(f"In [{i}]: x\nOut[{i}]: 1\n\n" for i in range(n))],
    "other prompts": lambda n: ["> x <- 1\n[1] 1\njulia> x\n1\nsqlite> select 1;\n1\n" * n],
    "bold questions": lambda n: ["**Why is it?**\n\nSo.\n\n" * n],
    "bold alone": lambda n: ["**" * n],
    "wrapped questions": lambda n: ["Why is it\nas it is?\n\nSo.\n\n" * n],
    "lines without an end": lambda n: ["why is it\n" * n + "?\n"],
    "contents, then bodies": lambda n: [
        "".join(f"{i}. Why {i}?\n" for i in range(n))
        + "".join(f"\n{i}. Why {i}?\n\nSo.\n" for i in range(n))
    ],
    "the same question": lambda n: ["1. Why?\n" * n + "\nSo.\n"],
    "a question under one name": lambda n: ["Interviewer: Why?\nSo.\n\n" * n],
    "carriage returns": lambda n: ["Q: x?\r\nA: y\r\n" * n],
    "tiny documents": lambda n: ["x"] * n,
    "tiny pairs": lambda n: ["Q: x?\nA: y"] * n,
    "tiny headings": lambda n: ["# Why?\nSo."] * n,
    "empty documents": lambda n: [""] * n,
}


def cpu_seconds(texts: list[str]) -> float:
    """CPU time of segmenting the texts in one table, the least of three times."""
    columns = {"source": pa.array(["x"] * len(texts)), "text": pa.array(texts, pa.large_string())}
    arrays = [columns.get(field.name, pa.nulls(len(texts), field.type)) for field in DOCUMENTS]
    table = pa.Table.from_arrays(arrays, schema=DOCUMENTS)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        segment_documents(table)
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Prints a line an input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=50_000)
    parser.add_argument("--only", default="", help="inputs whose name contains this")
    arguments = parser.parse_args()
    cpu_seconds(["Q: x?\nA: y\n"])
    # A pass over all that was imported costs more than most inputs, and comes when it likes.
    gc.freeze()
    print(f"{'input':34} {'s at n':>8} {'s at 4n':>8} {'ratio':>6}   n = {arguments.units:,}")
    for name, make in INPUTS.items():
        if arguments.only in name:
            small, large = (cpu_seconds(make(n)) for n in (arguments.units, 4 * arguments.units))
            print(f"{name:34} {small:8.3f} {large:8.3f} {large / small:6.1f}", flush=True)


if __name__ == "__main__":
    main()
