"""Notebooks as IPython prints them: a cell's code asks, what it puts out answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in

REQUIREMENT = "ipython==7.34.0"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def build(packages: Packages) -> Iterator[GoldSet]:
    """`notebooks` and `neg-notebooks`."""
    root = packages.pypi(REQUIREMENT, source=True)
    paths = found_in(root, "ipython-*/examples/**/*.ipynb")
    books = {path: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in paths}
    transcripts = [_transcript(path, cells) for path, cells in books.items()]
    yield GoldSet(
        name="notebooks",
        source="notebooks",
        kind="pairs",
        note=f"notebooks of {REQUIREMENT} as IPython transcripts, text cells between",
        documents=tuple(document for document in transcripts if document.n_episodes),
    )
    yield GoldSet(
        name="neg-notebooks",
        source="neg-notebooks",
        kind="negative",
        note=f"the text cells of notebooks of {REQUIREMENT} alone",
        documents=tuple(_prose(path, cells) for path, cells in books.items()),
    )


def _name(path: Path) -> str:
    return re.sub(r"\W+", "-", f"{path.parent.name}-{path.stem}")


def _text(lines: str | list[str]) -> str:
    return _COLOURS.sub("", lines if isinstance(lines, str) else "".join(lines))


def _outputs(cell: dict[str, Any]) -> tuple[str, str]:
    """What the cell printed, and its value's text."""
    printed = value = ""
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            printed += _text(output["text"])
        elif output["output_type"] == "execute_result":
            value = _text(output["data"].get("text/plain", ""))
    return printed.strip("\n"), value.strip("\n")


def _transcript(path: Path, cells: list[dict[str, Any]]) -> GoldDocument:
    document, number = GoldDocument(_name(path)), 0
    for cell in cells:
        source = _text(cell["source"]).strip("\n")
        if cell["cell_type"] != "code":
            document.add(source + "\n\n", neutral=bool(re.search(r"(?m)^\s*(?:>>>|\$) ", source)))
            continue
        number += 1
        prompt = f"In [{number}]: "
        code = source.replace("\n", "\n" + "...: ".rjust(len(prompt)))
        printed, value = _outputs(cell)
        if not source.strip() or not (printed + value).strip():
            document.add(f"{prompt}{code}\n\n", neutral=True)
            continue
        episode = document.open_episode(code, printed + value)
        document.add(prompt, "marker", episode)
        document.add(code + "\n", "question", episode)
        document.add(printed + "\n" if printed.strip() else "", "answer", episode)
        if value.strip():
            # After printed lines the label stands inside the answer.
            mark = f"Out[{number}]: " + ("\n" if "\n" in value else "")
            document.add(mark, "marker", episode)
            document.add(value + "\n", "answer", episode)
        document.add("\n")
    return document


def _prose(path: Path, cells: list[dict[str, Any]]) -> GoldDocument:
    document = GoldDocument(_name(path))
    for cell in cells:
        if cell["cell_type"] == "markdown":
            text = _text(cell["source"])
            asks = "?" in text or re.search(r"(?m)^\s*(?:>>>|\$) ", text)
            document.add(text.strip("\n") + "\n\n", neutral=bool(asks))
    return document
