"""The process that runs Beam: `python -m pipeline.driver OUT I/N [BEAM OPTIONS]`.

It is a child of `duologue prepare`, for three reasons: Beam's local runner waits for ever when one
of its workers is killed, so someone must be able to end it and all it started; Beam's logs go to a
file; and the command itself starts without importing Beam. It reads the plan and the config that
the parent wrote, runs every chunk without a record, and says how it ended by its exit code.
"""

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from pipeline.commit import RUN, is_committed
from pipeline.job import PrepareChunks
from pipeline.output import read_config
from pipeline.plan import PlannedChunk, plan_name, planned_chunks
from pipeline.supervise import EXIT_USER_ERROR, EXIT_WORKER_DIED
from schemas.errors import UserError

_USER_ERROR = re.compile(
    rf"{UserError.__module__}\.{UserError.__name__}: (.*?)(?: \[while running|$)", re.M
)


def run_job(out: Path, which: tuple[int, int], options: list[str]) -> None:
    """Run all chunks of a slice that are not committed.

    Args:
      out: an output whose plan and config are written.
      which: (I, N): every Nth chunk from the Ith, counted from 0.
      options: Beam's.

    Raises:
      UserError: what a worker raised as one.
    """
    pending = list(pending_chunks(out, which))
    if not pending:
        return
    beam_options = PipelineOptions(options)
    workers = beam_options.view_as(DirectOptions).direct_num_workers
    offsets = [chunk.offset for chunk in dealt(pending, workers)]
    try:
        with beam.Pipeline(options=beam_options) as pipeline:
            _ = (
                pipeline
                | "Pending" >> beam.Create(offsets, reshuffle=False).with_output_types(int)
                | PrepareChunks(out, out / RUN / plan_name(which), read_config(out))
            )
    except Exception as error:
        # Runners give a worker's exception back as it was, or as text within their own; either
        # way Beam has added the step that it came from.
        text = "".join(traceback.format_exception_only(error))
        if found := _USER_ERROR.search(text):
            raise UserError(found[1]) from error
        raise


def pending_chunks(out: Path, which: tuple[int, int]) -> Iterator[PlannedChunk]:
    """A slice's chunks that have no record."""
    index, count = which
    for number, chunk in enumerate(planned_chunks(out / RUN / plan_name(which))):
        if number % count == index and not is_committed(out, chunk.digest):
            yield chunk


def dealt(chunks: Iterable[PlannedChunk], workers: int) -> list[PlannedChunk]:
    """Chunks in the order that spreads their costs when every worker is given each Nth.

    Beam's local runner deals elements out like cards, before any is worked on. Other runners take
    them as they come, and gain by having the largest first.

    Args:
      chunks: in any order.
      workers: how many the elements are dealt to; 0 for a runner that does not say.
    """
    rest = sorted(chunks, key=lambda chunk: (-chunk.cost, chunk.digest))
    load = [0] * max(workers, 1)
    order = []
    for start in range(0, len(rest), len(load)):
        # Places in a round are workers: who has least so far is given the largest.
        hand = rest[start : start + len(load)]
        poorest = sorted(range(len(hand)), key=lambda worker: load[worker])
        for worker, chunk in sorted(zip(poorest, hand, strict=True)):
            load[worker] += chunk.cost
            order.append(chunk)
    return order


def _end_with_parent() -> None:
    """Ends this process group when the parent is gone, however it went: its pipe closes."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def _end_with_worker(args: threading.ExceptHookArgs) -> None:
    """Beam's local runner notices a dead worker in a thread of its own, and goes on waiting."""
    if "Worker subprocess exited" in str(args.exc_value):
        os._exit(EXIT_WORKER_DIED)
    threading.__excepthook__(args)


def main() -> None:
    """Run the job that the command line names."""
    out, which, *options = sys.argv[1:]
    index, count = which.split("/")
    # Workers inherit stdout; the answer to the parent goes where they cannot write.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.excepthook = _end_with_worker
    try:
        run_job(Path(out), (int(index), int(count)), options)
    except UserError as error:
        print(error, file=answer, flush=True)
        os._exit(EXIT_USER_ERROR)
    except Exception:
        # Not by returning: the interpreter would abort over the thread that reads stdin, and a
        # fault of the program would look like a killed worker.
        traceback.print_exc()
        os._exit(1)
    # Beam leaves threads behind that would hold the process for seconds.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
