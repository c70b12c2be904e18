"""Comments of programs and configurations: lines that open with "#" as Markdown's headings do."""

import numpy as np

from transforms.lines import Bools, Int64s, Lines

# A line of a program or a configuration: a setting, a statement, a command with its options.
_CODE = (
    r"^[ \t]*(?:[$@%&]?[\w.:$@%&*-]+(?:[\[({][^\n]*[\])}])?[ \t]*[-+*/|.:?]?="
    r"|[\w.:>-]+\(|[<\[{}$@%&]"
    r"|(?:set|unset|export|let|local|my|our|use|sub|def|class|import|from \S+ import|return|if|elif"
    r"|else|fi|done|esac|for|while|case|do|then|function|alias|bind|source|include|sudo|echo|cd) "
    r"|[a-z][\w.-]*: |[a-z][\w.-]*(?: [^\s]+)* -{1,2}\w)|[;{}\\]\s*$"
)
_MIN_CODES = 2
_HASH = ord("#")


def is_comment(lines: Lines, number: Int64s, is_marked: Bools, is_single: Bools) -> Bools:
    """Bool [n], whether each line that is marked "#" is a comment of a program or a configuration.

    Such a document has a first line that names its interpreter, or few of its marked lines open a
    paragraph: comments stand in blocks, or right below what they follow. Or code stands right below
    most of its lines with one "#". Where only an example is code, blocks of comments show it.

    Args:
      lines: all lines.
      number: int64 [n], lines.
      is_marked: bool [n], which of them open with "# ".
      is_single: bool [n], which of those have no more than one "#".
    """
    document = lines.document_of(number)
    is_inside = number + 1 < lines.first_line[document + 1]
    below = np.where(is_inside, number + 1, number)
    is_hash = lines.buffer.take(lines.content_start[below], mode="clip") == _HASH
    is_above_text = is_single & is_inside & ~lines.is_blank[below] & ~is_hash
    is_above_code = is_above_text.copy()
    is_above_code[is_above_text] = lines.matching(below[is_above_text], _CODE)
    n_marked, n_opening, n_texts, n_codes = (
        np.bincount(document[each], minlength=len(lines.first_line) - 1)
        for each in (is_marked, is_marked & lines.opens[number], is_above_text, is_above_code)
    )
    is_program = 2 * n_opening < n_marked
    is_program |= (n_codes >= _MIN_CODES) & (2 * n_codes >= n_texts)
    first = lines.first_line[np.unique(document)]
    names_program = lines.texts(first).str.starts_with("#!").to_numpy()
    is_program[lines.document_of(first)] |= names_program
    comments: Bools = is_marked & (is_program[document] | _in_blocks(lines, number, is_single))
    return comments


def _in_blocks(lines: Lines, number: Int64s, is_single: Bools) -> Bools:
    """Bool [n], whether beside each line with one "#" stands another, or a bare "#"."""
    which = number[is_single]
    document = lines.document_of(which)
    beside = np.zeros(len(which), np.bool_)
    for step in (-1, 1):
        near = which + step
        is_inside = (near >= lines.first_line[document]) & (near < lines.first_line[document + 1])
        near = np.where(is_inside, near, which)
        beside |= is_inside & lines.matching(near, r"^#(?:\s|$)")
    blocks = np.zeros(len(number), np.bool_)
    blocks[is_single] = beside
    return blocks
