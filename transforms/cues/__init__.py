"""Cue families: where in raw text one player asks and the other answers.

A new family is one module and one entry of FAMILIES.
"""

from transforms.cues import (
    choice,
    dialogue,
    docstring,
    doctest,
    fields,
    gathered,
    heading,
    label,
    latex,
    manexamples,
    oneline,
    proof,
    quoting,
    repl,
    shell,
    think,
    worked,
)
from transforms.cues.family import CueFamily as CueFamily

# Of two episodes over the same bytes the earlier family's wins.
FAMILIES: tuple[CueFamily, ...] = (
    gathered.FAMILY,
    fields.FAMILY,
    think.FAMILY,
    worked.FAMILY,
    choice.FAMILY,
    label.FAMILY,
    dialogue.FAMILY,
    oneline.FAMILY,
    heading.FAMILY,
    quoting.FAMILY,
    proof.FAMILY,
    latex.FAMILY,
    docstring.FAMILY,
    doctest.FAMILY,
    shell.FAMILY,
    repl.FAMILY,
    manexamples.FAMILY,
)
