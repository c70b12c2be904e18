"""How Beam handles pieces: by their buffers' size, not by pickling them to learn it."""

import pickle

import apache_beam as beam

from pipeline.piece import Piece


class PieceCoder(beam.coders.Coder):  # type: ignore[misc] # Beam is untyped here
    """Keeps runners from pickling tables to learn their size.

    Between fused stages a runner samples elements for their encoded size; with `estimate_size` it
    asks instead of encoding. No table is encoded unless a runner breaks the chain up.
    """

    def encode(self, value: Piece) -> bytes:
        """Pickle; only where stages are not fused."""
        return pickle.dumps(value, protocol=5)

    def decode(self, encoded: bytes) -> Piece:
        """Reverse `encode`."""
        piece: Piece = pickle.loads(encoded)
        return piece

    def estimate_size(self, value: Piece) -> int:
        """Bytes of the table's buffers, at the cost of a few additions."""
        return int(value.table.nbytes)

    def is_deterministic(self) -> bool:
        """Pieces are never grouped by."""
        return False
