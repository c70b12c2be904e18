"""Turns text into ids, none of which is a control token.

Whatever engine does it, the ids are to be those of the reference: a hundredth of the texts of every
call is tokenised by both, and where one differs the reference does all, of later calls too.

The reference hands ids over as lists of Python integers, which live no longer than a batch of about
1 MiB of text; everything past that is Arrow and NumPy.
"""

import contextlib
import functools
import logging
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.delimiters import Control, Piece
from schemas.episode import token_type
from transforms.control_tokens import completed, control_ids, text_tokens
from transforms.engines import (
    REFERENCE,
    Encode,
    Ids,
    LeftToReferenceError,
    fast,
    faults_passed_over,
    reference,
)
from transforms.flat import Ints, text_offsets
from transforms.lossless import entry_bytes, nasty_texts
from transforms.text_blocks import batches, blocks

NOT_A_CUT = -1
"""Token start that falls inside a character, where text cannot be cut."""

MAX_CUTS_DEEP = 8
"""How often a text is cut anew around control tokens before it is cut into characters."""

CHECKED_SHARE = 100
"""One text of so many is tokenised by the reference too."""

CHECKED = 4_000
"""Characters of a longer one, by both anew."""


class SegmentTokenizer:
    """Tokenises the text of segments, as nothing but text.

    Attributes:
      token_type: uint16, or uint32 if the vocabulary has ids past 65,535.
      n_ids: one more than the greatest id.
      control_ids: ids that text never becomes: bos, eos, pad, the schemes' tokens and added tokens
        flagged special, but not unk. Other added tokens (runs of white space) are text.
      text_tokens: contents of the added tokens that are text.
      eos_id: id of the token that ends a turn.
      bos_id: id of the token that stands before a document in training.
      pad_id: id of the token that fills a batch.
      is_lossless: True if decoding the ids of texts, also of several joined, gives the texts back;
        decided by a fixed set of nasty texts.
    """

    def __init__(
        self, tokenizer_json: str, *, eos: str, bos: str, pad: str, engine: str = REFERENCE
    ) -> None:
        """Loads a tokenizer.

        Args:
          tokenizer_json: the text of a tokenizer.json; control tokens that it lacks are added as
            `with_control_tokens` does.
          eos: the token that ends a turn.
          bos: the token that stands before a document in training.
          pad: the token that fills a batch.
          engine: of `transforms.engines`; the reference, where it cannot be had.
        """
        self._tokenizer, config = completed(tokenizer_json, eos=eos, bos=bos, pad=pad)
        # It would add control tokens, and trim white space off the offsets that cutting needs.
        self._tokenizer.post_processor = config["post_processor"] = None
        self._tokenizer.encode_special_tokens = True
        self._eos = eos
        self.eos_id, self.bos_id, self.pad_id = map(self._tokenizer.token_to_id, (eos, bos, pad))
        self.control_ids = control_ids(config, (eos, bos, pad))
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        # Ids have to fit, not entries: a vocabulary may have gaps.
        self.n_ids = max(vocabulary.values()) + 1
        self.token_type = token_type(self.n_ids)
        self._reference = reference(self._tokenizer, self.token_type)
        # Only where asked for: loading it takes a tenth of a second.
        self._fast = None if engine == REFERENCE else fast(config, self.token_type)
        self._is_control = np.zeros(self.n_ids, np.bool_)
        self._is_control[list(self.control_ids)] = True
        self._decoder = config["decoder"]
        self.text_tokens = text_tokens(config, self.control_ids)
        self.is_lossless = False
        self.is_lossless = self._keeps(nasty_texts(self.text_tokens))

    def encode(self, texts: pa.Array) -> pa.ListArray:
        """Tokenises texts, each on its own and as nothing but text.

        A long text is tokenised in `transforms.text_blocks.blocks`. A text (or block) that would
        give a control id is tokenised in pieces, cut inside what would become the control token.

        Args:
          texts: string or large_string [n], without nulls.

        Returns:
          list<token_type> [n]; null where the text holds a control token of a single character,
          which no cut keeps from its id.
        """
        if self._fast:
            # Whatever it stumbles over, the reference may take.
            with faults_passed_over():
                lists = self._encode_all(texts, self._fast)
                if self._agree(texts, lists):
                    return lists
                logging.warning("the fast tokenizer engine gave other ids: the reference goes on")
                self._fast = None
        return self._encode_all(texts, self._reference)

    def differing(self, texts: Iterable[str]) -> str | None:
        """The first text that the fast engine gives other ids for than the reference, or None."""
        if not self._fast:
            return None
        for text in texts:
            with contextlib.suppress(LeftToReferenceError):
                found, expected = self._encode_text(text, self._fast), self.encode_text(text)
                if not _are_equal(found, expected):
                    return text
        return None

    @property
    def is_fast(self) -> bool:
        """Whether another engine than the reference is at work."""
        return self._fast is not None

    def encode_text(self, text: str) -> Ids | None:
        """Ids of one text as `encode` gives them, token_type [tokens]; None for its null."""
        return self._encode_text(text, self._reference)

    def _encode_all(self, texts: pa.Array, encode: Encode) -> pa.ListArray:
        found = [
            self._encode_batch(texts.slice(start, end - start), encode)
            for start, end in batches(text_offsets(texts))
        ]
        return pa.concat_arrays([self._lists([]), *found])

    def _agree(self, texts: pa.Array, lists: pa.ListArray) -> bool:
        """Whether the reference gives the same ids for the texts that are looked at."""
        looked = np.arange(0, len(texts), CHECKED_SHARE)
        is_long = np.diff(text_offsets(texts))[looked] > CHECKED
        whole = pa.array(looked[~is_long])
        if not self._encode_all(texts.take(whole), self._reference).equals(lists.take(whole)):
            return False
        long = texts.take(pa.array(looked[is_long])).to_pylist()
        return self.differing(map(_part, long)) is None

    def _encode_text(self, text: str, encode: Encode) -> Ids | None:
        found = [self._block_ids(block, encode) for block in blocks(text)]
        known = [ids for ids in found if ids is not None]
        return np.concatenate(known) if len(known) == len(found) else None

    @functools.cached_property
    def _bytes(self) -> pa.BinaryArray | None:
        """The bytes that each id stands for, binary [ids], where ids do not depend on others."""
        return entry_bytes(self._decoder, self._tokenizer.get_vocab(with_added_tokens=True))

    def delimiter_ids(self, pieces: Sequence[Piece]) -> Ids:
        """Ids of a delimiter: control tokens by name, strings tokenised as text.

        Args:
          pieces: a side of a pair of schemas.delimiters.

        Returns:
          token_type [tokens].

        Raises:
          ValueError: if the vocabulary lacks a control token, or a string holds one of a single
        character.
        """
        return np.concatenate([self._reference(_strings([]))[0], *map(self._piece_ids, pieces)])

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text of ids, control tokens included."""
        if self.is_lossless and self._bytes is not None:
            # What begins or ends inside a character is no text.
            with contextlib.suppress(UnicodeDecodeError):
                chosen = self._bytes.take(pa.array(ids, pa.int64()))
                # What stands in a buffer past the last offset is nobody's.
                end = np.frombuffer(chosen.buffers()[1], np.int32)[len(chosen)] if len(ids) else 0
                return bytes(memoryview(chosen.buffers()[2] or b"")[:end]).decode()
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def decode_lists(self, tokens: pa.ListArray) -> list[str]:
        """The text of each list of ids, control tokens included."""
        lists = tokens.to_pylist()
        texts: list[str] = self._tokenizer.decode_batch(lists, skip_special_tokens=False)
        return texts

    def is_control(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """True for each id that text never becomes."""
        return self._is_control[ids]

    def token_starts(self, text: str, ids: Ids) -> Ints:
        """Where in its text each token begins.

        Args:
          text: what was tokenised.
          ids: what `encode` gave for it, token_type [tokens].

        Returns:
          int64 [tokens], bytes from the start of text; NOT_A_CUT for a token that begins inside a
          character. White space that a lossy tokenizer leaves out goes to the token before it.
        """
        starts = self._starts_by_lengths(text, ids)
        return self._starts_by_offsets(text) if starts is None else starts

    def decode_with_starts(self, ids: Ids) -> tuple[str, Ints]:
        """The text of ids whose text is not at hand, and where in it each token begins.

        Args:
          ids: of a text or of a part of one, token_type [tokens].

        Returns:
          The text, and int64 [tokens] as `token_starts` gives. If the text would not be tokenised
          as the ids (a lossy tokenizer, or a part that begins within a word), it is the texts of
          the tokens, each decoded on its own, one after another.
        """
        text = self.decode(ids)
        starts = self._starts_by_lengths(text, ids)
        if starts is not None:
            return text, starts
        again = self.encode_text(text)
        if again is not None and np.array_equal(again, ids):
            return text, self._starts_by_offsets(text)
        texts = self._tokenizer.decode_batch(ids[:, None].tolist(), skip_special_tokens=False)
        ends = np.cumsum([len(each.encode()) for each in texts], dtype=np.int64)
        return "".join(texts), np.concatenate([[0], ends])[:-1]

    def _starts_by_lengths(self, text: str, ids: Ids) -> Ints | None:
        """`token_starts` by the bytes that each id stands for; None if they do not add up."""
        if not self.is_lossless or self._bytes is None:
            return None
        raw = np.frombuffer(text.encode(), np.uint8)
        sizes = np.diff(np.frombuffer(self._bytes.buffers()[1], np.int32))[ids]
        if sizes.sum() != len(raw):
            return None
        starts = np.cumsum(sizes) - sizes
        return np.where(raw[starts] & 0xC0 == 0x80, NOT_A_CUT, starts)

    def _starts_by_offsets(self, text: str) -> Ints:
        """`token_starts` by the offsets that `tokenizers` gives, in code points."""
        starts = [np.zeros(0, np.int64)]
        base = 0
        for piece in chain.from_iterable(self._pieces(block) or () for block in blocks(text)):
            encoding = self._tokenizer.encode(piece, add_special_tokens=False)
            begin, end = np.array(encoding.offsets, np.int64).reshape(-1, 2).T
            is_inside = np.zeros(len(begin), np.bool_)
            is_inside[1:] = begin[1:] < np.maximum.accumulate(end)[:-1]
            in_bytes = _bytes_before(piece)
            starts.append(np.where(is_inside, NOT_A_CUT, base + in_bytes[begin]))
            base += int(in_bytes[-1])
        return np.concatenate(starts)

    def _encode_batch(self, texts: pa.Array, encode: Encode) -> pa.ListArray:
        """`encode` for texts of BLOCK_BYTES together, or for a single one of any size."""
        if len(texts) == 1:
            return self._lists([self._encode_text(texts[0].as_py(), encode)])
        ids, sizes = encode(texts)
        ends = np.cumsum(sizes)
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids))
        places = np.flatnonzero(self._is_control[ids])
        if not len(places):
            return lists
        forged = np.unique(np.searchsorted(ends, places, side="right"))
        mended = self._lists([self.encode_text(texts[index].as_py()) for index in forged])
        chosen = np.arange(len(texts))
        chosen[forged] = len(texts) + np.arange(len(forged))
        return pa.concat_arrays([lists, mended]).take(pa.array(chosen))

    def _block_ids(self, block: str, encode: Encode) -> Ids | None:
        """Ids of a text of at most BLOCK_BYTES; None where a control id cannot be kept off."""
        ids = encode(_strings([block]))[0]
        if not self._is_control[ids].any():
            return ids
        pieces = self._pieces(block)
        return None if pieces is None else self._reference(_strings(pieces))[0]

    def _pieces(self, text: str) -> list[str] | None:
        """Cuts a text so that no piece becomes a control id; None where that cannot be.

        A cut may let another control token come into being beside it, so pieces are looked at
        again; those that resist are cut into characters, which keeps the work linear.
        """
        pieces, clean = [text], [False]
        for depth in range(MAX_CUTS_DEEP + 1):
            cut = [
                [piece] if is_clean else self._cut(piece, into_characters=depth == MAX_CUTS_DEEP)
                for piece, is_clean in zip(pieces, clean, strict=True)
            ]
            if any(not parts for parts in cut):
                return None
            clean = [len(parts) == 1 for parts in cut for _ in parts]
            pieces = [part for parts in cut for part in parts]
            if all(clean):
                break
        return pieces

    def _cut(self, text: str, *, into_characters: bool) -> list[str]:
        """Cuts a text in the middle of all that would become a control token.

        Returns:
          [text] where nothing would, [] where a single character would.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        forged = np.flatnonzero(self._is_control[np.array(encoding.ids, np.int64)])
        if not len(forged):
            return [text]
        if into_characters:
            characters = [self._cut(each, into_characters=False) for each in text]
            return list(text) if all(characters) else []
        begin, end = np.array(encoding.offsets, np.int64)[forged].T
        if (end - begin < 2).any():
            return []
        cuts = np.unique([0, *((begin + end) // 2), len(text)]).tolist()
        return [text[start:stop] for start, stop in pairwise(cuts)]

    def _lists(self, encoded: Sequence[Ids | None]) -> pa.ListArray:
        """list<token_type> of encoded texts."""
        sizes = [0 if ids is None else len(ids) for ids in encoded]
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int32)]).astype(np.int32)
        nothing = np.zeros(0, str(self.token_type))
        ids = np.concatenate([nothing, *(ids for ids in encoded if ids is not None)])
        is_null = pa.array([ids is None for ids in encoded], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids), mask=is_null)

    def _piece_ids(self, piece: Piece) -> Ids:
        if isinstance(piece, Control):
            token = self._eos if piece.token is None else piece.token
            index = self._tokenizer.token_to_id(token)
            if index is None:
                msg = (
                    f"the vocabulary lacks {token!r}: add the scheme to schemas.delimiters.SCHEMES"
                )
                raise ValueError(msg)
            return np.array([index], str(self.token_type))
        ids = self.encode_text(piece)
        if ids is None:
            msg = (
                f"the delimiter text {piece!r} holds a control token of a single character; "
                "choose a scheme of control tokens, such as eos or tags"
            )
            raise ValueError(msg)
        return ids

    def _keeps(self, texts: list[str]) -> bool:
        """True if each of texts, and all of them joined, come back from their ids."""
        # A text that cannot be tokenised at all makes a rejected document, not a changed one.
        known = [(text, ids) for text in texts if (ids := self.encode_text(text)) is not None]
        joined = np.concatenate([ids for _, ids in known])
        return all(self.decode(ids.tolist()) == text for text, ids in known) and (
            self.decode(joined.tolist()) == "".join(text for text, _ in known)
        )


def _are_equal(found: Ids | None, expected: Ids | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return np.array_equal(found, expected)


def _part(text: str) -> str:
    """CHECKED characters of a long text, from somewhere that its length decides."""
    at = 31 * len(text) % max(1, len(text) - CHECKED + 1)
    return text[at : at + CHECKED]


def _strings(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def _bytes_before(text: str) -> Ints:
    """UTF-8 bytes before each character and, last, of the whole text, int64 [characters + 1]."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    widths = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
    return np.concatenate([[0], np.cumsum(widths)])
