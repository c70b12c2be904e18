"""Sections of a page: a heading and the blocks below it."""

import dataclasses
import itertools
import re
from collections.abc import Sequence

from benchmarks.segmentation.browser import Block, as_text
from benchmarks.segmentation.gold import GoldDocument

_NUMBER = re.compile(r"(?:\(?[A-Z]?\d[\d.]*[.):]*\s+)?")


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """Blocks up to the next heading; level 0 is what stands before the first one."""

    level: int
    heading: Block | None
    body: tuple[Block, ...]

    @property
    def title(self) -> str:
        """The heading's text without its newline."""
        return self.heading.text.strip() if self.heading else ""

    @property
    def text(self) -> str:
        """Heading and body."""
        return (self.heading.text if self.heading else "") + as_text(self.body) + "\n"


def read_sections(blocks: Sequence[Block]) -> list[tuple[Section, bool]]:
    """The sections in order, and whether each is a leaf: without sections of a deeper level."""
    starts = [i for i, block in enumerate(blocks) if block.heading]
    lead = tuple(blocks[: starts[0]] if starts else blocks)
    found = [Section(0, None, lead)] if lead else []
    for start, end in itertools.pairwise([*starts, len(blocks)]):
        found.append(Section(blocks[start].heading, blocks[start], tuple(blocks[start + 1 : end])))
    levels = [section.level for section in found] + [0]
    return [(section, levels[i + 1] <= levels[i]) for i, section in enumerate(found)]


def add_section(document: GoldDocument, section: Section) -> None:
    """A section as a pair; its number is a soft marker."""
    number = _NUMBER.match(section.title)[0]  # type: ignore[index]  # matches the empty string too
    question = section.title[len(number) :]
    episode = document.open_episode(question, "".join(block.raw for block in section.body))
    document.add(number, "marker", episode, soft=True)
    document.add(question + "\n", "question", episode)
    document.add(as_text(section.body) + "\n", "answer", episode)
