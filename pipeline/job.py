"""The Beam job: chunk keys are spread, then one fused chain takes each chunk to its commit."""

import dataclasses
import functools
import random
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.coder import PieceCoder
from pipeline.commit import RUN, is_committed
from pipeline.engine import segment_tokenizer
from pipeline.output import read_config
from pipeline.piece import Piece, read_pieces
from pipeline.plan import PlannedChunk, plan_path, planned_chunks, read_chunk
from pipeline.remote import Place, use_options
from pipeline.write_shards import write_piece
from schemas.config import PrepareConfig
from schemas.errors import UserError
from transforms.segment import segment_documents
from transforms.segment_tokenizer import SegmentTokenizer
from transforms.tokenize import tokenize_documents

beam.coders.registry.register_coder(Piece, PieceCoder)

SHUFFLED_CHUNKS = 1000
"""Offsets that are put out of order together."""

_USER_ERROR = re.compile(
    rf"{UserError.__module__}\.{UserError.__name__}: ((?s:.*?)(?= \[while running)|.*)"
)


def run_job(
    out: Place,
    which: tuple[int, int],
    chunks: Iterable[PlannedChunk] | None,
    options: list[str],
    looked_at: int | None = None,
) -> None:
    """Run chunks of a slice as one Beam job.

    Args:
      out: an output whose plan and config are written.
      which: (I, N): every Nth chunk from the Ith, counted from 0.
      chunks: of the slice's plan; None for all, of which workers pass over those that are
        committed: what a job begins with is part of its description, and runners bound that.
      options: Beam's.
      looked_at: as of `pipeline.engine.segment_tokenizer`; only where the job is done in this
        process.

    Raises:
      UserError: what a worker raised as one.
    """
    plan = plan_path(out / RUN, which)
    prepare = PrepareChunks(out, plan, read_config(out), tuple(options), looked_at)
    try:
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            if chunks is None:
                begin = pipeline | "Slice" >> beam.Create([which], reshuffle=False)
                find = FindChunks(plan, prepare.options, random.getrandbits(32))
                offsets = begin | "Plan" >> beam.ParDo(find)
            else:
                begin = beam.Create([chunk.offset for chunk in chunks], reshuffle=False)
                offsets = pipeline | "Chunks" >> begin.with_output_types(int)
            _ = offsets | prepare
    except Exception as error:
        # Runners give a worker's exception back as it was, or as text within their own; either
        # way Beam has added the step that it came from.
        text = "".join(traceback.format_exception_only(error))
        if found := _USER_ERROR.search(text):
            raise UserError(found[1]) from error
        raise


@beam.typehints.with_output_types(int)
class FindChunks(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """(I, N) of a slice -> offsets, in a written plan, of its chunks, the committed ones too.

    Whenever a job does this it comes to the same, so it does not ask what is committed: Spark does
    it again when an executor dies, and deals the offsets out to who is left. If they were others by
    then, some chunks would be given to nobody.

    Their order is another in every job. Engines deal in turns: were it always the same, all that a
    dead worker left would be given to one worker again.
    """

    def __init__(self, plan: Place, options: tuple[str, ...], seed: int) -> None:
        self._plan = plan
        self._options = options
        self._seed = seed

    def setup(self) -> None:
        """Once a worker."""
        use_options(self._options)

    def process(self, which: tuple[int, int]) -> Iterator[int]:
        """Read the plan; that of millions of chunks in some seconds."""
        order = random.Random(self._seed)
        offsets = (chunk.offset for chunk in planned_chunks(self._plan, which))
        while some := [*islice(offsets, SHUFFLED_CHUNKS)]:
            order.shuffle(some)
            yield from some


@dataclasses.dataclass
class PrepareChunks(beam.PTransform):  # type: ignore[misc] # Beam is untyped here
    """From offsets in a written plan to committed chunks.

    Only offsets are shuffled: no text crosses a runner's shuffle. The output is one element a
    piece: whether it committed its chunk.

    Attributes:
      out: the output folder, seen by all workers under this path.
      plan: the written plan, likewise.
      config: what to make.
      options: Beam's, for its filesystems: not every runner gives them to its workers.
      looked_at: as of `run_job`.
    """

    out: Place
    plan: Place
    config: PrepareConfig
    options: tuple[str, ...] = ()
    looked_at: int | None = None

    def expand(self, offsets: "beam.PCollection[int]") -> "beam.PCollection[bool]":
        """Read, segment, tokenise, write."""
        sha256 = self.config.tokenizer_sha256
        tokenizer = functools.partial(segment_tokenizer, self.out, sha256, self.looked_at)
        return (
            offsets
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(ReadChunks(self.out, self.plan, self.config, self.options))
            | "Segment" >> beam.Map(_segmented).with_output_types(Piece)
            | "Tokenize" >> beam.ParDo(TokenizePieces(tokenizer))
            | "Write" >> beam.ParDo(WritePieces(self.out, self.config, tokenizer))
        )


@beam.typehints.with_input_types(int)
@beam.typehints.with_output_types(Piece)
class ReadChunks(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Offset of a chunk in the plan -> its pieces, one in memory at a time.

    Chunks that are committed have no pieces: an earlier run made them, or this one, whose engine
    lost a worker and gives them again.
    """

    def __init__(
        self, out: Place, plan: Place, config: PrepareConfig, options: tuple[str, ...] = ()
    ) -> None:
        self._out = out
        self._plan = plan
        self._config = config
        self._options = options

    def setup(self) -> None:
        """Once a worker; what follows is fused with this, and so in the same process."""
        use_options(self._options)

    def process(self, offset: int) -> Iterator[Piece]:
        """Read a chunk."""
        chunk = read_chunk(self._plan, offset)
        if not is_committed(self._out, chunk.digest):
            yield from read_pieces(chunk, self._config)


def _segmented(piece: Piece) -> Piece:
    return dataclasses.replace(piece, table=segment_documents(piece.table))


@beam.typehints.with_input_types(Piece)
@beam.typehints.with_output_types(Piece)
class TokenizePieces(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Adds the tokens of every span."""

    def __init__(self, tokenizer: Callable[[], SegmentTokenizer]) -> None:
        self._tokenizer = tokenizer

    def process(self, piece: Piece) -> Iterator[Piece]:
        """Tokenise a piece."""
        yield dataclasses.replace(piece, table=tokenize_documents(piece.table, self._tokenizer()))


@beam.typehints.with_input_types(Piece)
@beam.typehints.with_output_types(bool)
class WritePieces(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Writes shards and commits; counts for people to watch (the records count for the output)."""

    def __init__(
        self, out: Place, config: PrepareConfig, tokenizer: Callable[[], SegmentTokenizer]
    ) -> None:
        self._out = out
        self._config = config
        self._tokenizer = tokenizer
        self._documents = beam.metrics.Metrics.counter("duologue", "documents")
        self._committed = beam.metrics.Metrics.counter("duologue", "chunks_committed")

    def process(self, piece: Piece) -> Iterator[bool]:
        """Write a piece."""
        committed = write_piece(self._out, piece, self._tokenizer(), self._config)
        self._documents.inc(len(piece.table))
        self._committed.inc(int(committed))
        yield committed
