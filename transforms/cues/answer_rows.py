"""Answers in a row: "Answers: 1. x; 2. y", in one paragraph."""

import re
from typing import NamedTuple

import numpy as np

from transforms.candidates import Candidates, LinePattern

ANSWER_TITLES = (
    "answers?|solutions?|answer keys?|key|key to|keys|lösungen|loesungen|antworten|lösungsteil"
    "|réponses|corrigés?|respuestas|soluciones|solucionario|respostas|soluções|gabarito|risposte"
    "|soluzioni|antwoorden|oplossingen|svar|facit|odpowiedzi|rozwiązania|ответы|решения|відповіді"
    "|答案|解答|回答|解答例|参考答案|정답|해답"
)
"""Rust regular expression of what heads answers, in any case."""

_ROW = LinePattern(
    rf"(?i:^[ \t]*[*_]{{0,2}}(?:{ANSWER_TITLES})[*_]{{0,2}}[ \t]*[:.][*_]{{0,2}}[ \t]+"
    r"[(\[]?1[.):\]])",
    words=tuple(ANSWER_TITLES.split("|")),
    holds="0٠",
)
"""Lines in which a title and the first of the answers stand: "Answers: 1. x; 2. y"."""

_ROW_ITEM = re.compile(r"(?<=\s)[(\[]?(?P<number>\d{1,3})[.):\]][ \t\n]+(?=\S)")
_MAX_ROW = 20_000
_ROW_PARTING = " \t\r\n;,.|/"


class RowItem(NamedTuple):
    """One of the answers in a row: its line, its number, where it starts and its content."""

    line: int
    number: tuple[int, ...]
    start: int
    content: tuple[int, int]


def read_rows(candidates: Candidates) -> dict[int, list[RowItem]]:
    """The last paragraph of each document that lists answers, from one on, in a row."""
    lines = candidates.lines
    rows: dict[int, list[RowItem]] = {}
    number, _ = candidates.matching(_ROW)
    ends = np.minimum(lines.next_blank(number), lines.first_line[lines.document_of(number) + 1])
    for line, end, document in zip(
        number.tolist(), ends.tolist(), lines.document_of(number).tolist(), strict=True
    ):
        start = int(lines.start[line])
        text = str(lines.data[start : lines.start[end]], "utf-8")
        if len(text) > _MAX_ROW:
            continue
        found: list[re.Match[str]] = []
        for match in _ROW_ITEM.finditer(text):
            # "1. 180.95; 2. Cl": what does not count on is part of an answer.
            if int(match["number"]) == len(found) + 1:
                found.append(match)
        limits = [*(match.start() for match in found[1:]), len(text)]
        rows[document] = [
            RowItem(line, (ordinal,), start + at, (start + first, start + first + size))
            for ordinal, match, limit in zip(range(1, len(found) + 1), found, limits, strict=False)
            for at, first, size in [
                (
                    len(text[: match.start()].encode()),
                    len(text[: match.end()].encode()),
                    len(text[match.end() : limit].rstrip(_ROW_PARTING).encode()),
                )
            ]
        ]
    return {document: row for document, row in rows.items() if row}
