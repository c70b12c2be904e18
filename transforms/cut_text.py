"""Where a text that is too long for a row is cut: at line ends, between words if need be."""

from collections.abc import Iterator

import numpy as np

from transforms.flat import Bools, Ints
from transforms.segment_tokenizer import NOT_A_CUT

_CR, _LF = b"\r\n"
_IS_WHITE = np.isin(np.arange(256), list(b" \t\n\v\f\r"))


def text_cuts(raw: bytes, starts: Ints, max_tokens: int) -> tuple[Ints, Ints, Bools]:
    """Cuts a text into parts of at most max_tokens tokens.

    All tokens that begin a line are cuts, or whose line begins with white space that the token
    before them took. A line that is longer than max_tokens is cut between words as well, else
    between characters, else, where one character has that many tokens, between these.

    Args:
      raw: the text's bytes.
      starts: int64 [tokens], where in raw each token begins, NOT_A_CUT inside a character.
      max_tokens: the most tokens of a part.

    Returns:
      (tokens, byte_starts, is_line), int64, int64 and bool [cuts]: the first token of each part but
      the first one, where it begins in raw, and True if that is at a line end.
    """
    inside = (starts != NOT_A_CUT) & (starts > 0) & (starts < len(raw))
    inside[:1] = False
    lines = np.flatnonzero(inside)[_follows_line_end(raw, starts[inside])]
    near = np.frombuffer(raw, np.uint8)
    is_word = inside.copy()
    is_word[inside] = _IS_WHITE[near[starts[inside]]] | _IS_WHITE[near[starts[inside] - 1]]
    preferences = (np.flatnonzero(is_word), np.flatnonzero(inside))
    edges = np.concatenate([[0], lines, [len(starts)]])
    overlong = np.flatnonzero(np.diff(edges) > max_tokens)
    resorts = [
        cut
        for index in overlong
        for cut in _last_resorts(int(edges[index]), int(edges[index + 1]), preferences, max_tokens)
    ]
    tokens = np.sort(np.concatenate([lines, np.array(resorts, np.int64)]))
    # A token inside a character begins where the character does.
    byte_starts = np.maximum.accumulate(starts)[tokens]
    return tokens, byte_starts, np.isin(tokens, lines)


def _follows_line_end(raw: bytes, positions: Ints) -> Bools:
    """True for each position with a line end before it and but white space in between."""
    near = np.frombuffer(raw, np.uint8)
    ends_line = near == _LF
    ends_line[:-1] |= (near[:-1] == _CR) & (near[1:] != _LF)
    ends_line[-1:] |= near[-1:] == _CR
    # The last line end up to each byte, and the last byte that is not white space.
    place = np.arange(len(near))
    last_end = np.maximum.accumulate(np.where(ends_line, place, -1))
    last_filled = np.maximum.accumulate(np.where(_IS_WHITE[near], -1, place))
    follows: Bools = (last_end > last_filled)[positions - 1]
    return follows


def _last_resorts(
    start: int, end: int, preferences: tuple[Ints, ...], max_tokens: int
) -> Iterator[int]:
    """Cuts the tokens [start, end) of one line into parts of at most max_tokens."""
    while end - start > max_tokens:
        reach = start + max_tokens
        for cuts in preferences:
            nearest = int(np.searchsorted(cuts, reach, side="right")) - 1
            if nearest >= 0 and cuts[nearest] > start:
                reach = int(cuts[nearest])
                break
        yield reach
        start = reach
