"""The process that runs Beam: `python -m pipeline.driver OUT I/N WORKERS [BEAM OPTIONS]`.

It is a child of `duologue prepare`, for two reasons: someone must be able to end a job and all it
started, and the command itself starts without importing Beam. It reads the plan and the config
that the parent wrote, runs every chunk without a record, and says how it ended by its exit code.

On one machine it forks a worker a core, each with a part of the chunks and a Beam job of its own
in its own process. Beam's local runner can start workers too, but each of those imports Beam anew,
for seconds, and when one is killed the runner waits for it for ever.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator

from pipeline.commit import RUN, committed
from pipeline.engine import begin_choosing, loaded_tokenizer, wait_for_engine
from pipeline.output import read_config
from pipeline.plan import PlannedChunk, plan_path, planned_chunks
from pipeline.remote import Place, place, use_options
from pipeline.supervise import EXIT_USER_ERROR, EXIT_WORKER_DIED
from schemas.errors import UserError
from transforms.engines import FAST, REFERENCE


def pending_chunks(out: Place, which: tuple[int, int]) -> Iterator[PlannedChunk]:
    """A slice's chunks that have no record."""
    done = committed(out)
    plan = planned_chunks(plan_path(out / RUN, which), which)
    return (chunk for chunk in plan if chunk.digest not in done)


def shares(chunks: Iterable[PlannedChunk], workers: int) -> list[list[PlannedChunk]]:
    """Spread chunks so that every worker has about as much to do.

    Args:
      chunks: in any order.
      workers: at least 1.

    Returns:
      a share for each worker that gets any, its largest chunks first.
    """
    given: list[list[PlannedChunk]] = [[] for _ in range(workers)]
    costs = [0] * workers
    for chunk in sorted(chunks, key=lambda chunk: (-chunk.cost, chunk.digest)):
        poorest = costs.index(min(costs))
        given[poorest].append(chunk)
        costs[poorest] += chunk.cost
    return [share for share in given if share]


def _forked(work: list[list[PlannedChunk]]) -> list[PlannedChunk]:
    """Forks a worker for every share and returns in each of them with its own.

    The process that forked does not return: it ends when all have, or as soon as one has failed;
    whoever started it then ends the others, for they are one process group.
    """
    workers = set()
    for share in work:
        worker = os.fork()
        if not worker:
            return share
        workers.add(worker)
    _end_with_parent()
    while workers:
        child, status = os.wait()
        if child not in workers:
            continue  # It looked at the engine; how it went is noted.
        workers.remove(child)
        if code := os.waitstatus_to_exitcode(status):
            os._exit(EXIT_WORKER_DIED if code < 0 else code)
    os._exit(0)


def _end_with_parent() -> None:
    """From now on ends this process group when the parent is gone, however it went."""

    def wait() -> None:
        # The pipe from the parent closes.
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class _NoPandas:
    """Beam and Arrow import it where it is found, for a third of a second, and nobody needs it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """As of `importlib.abc.MetaPathFinder`."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def main() -> None:
    """Run the job that the command line names."""
    out, which, workers, *options = sys.argv[1:]
    folder = place(out)
    use_options(options)
    index, count = which.split("/")
    the_slice = (int(index), int(count))
    # Beam and what it loads may print; the answer to the parent goes where they do not.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # On a cluster they may be millions, committed ones too: its workers read which there are.
    work = list(pending_chunks(folder, the_slice)) if int(workers) else None
    all_of_it = planned_chunks(plan_path(folder / RUN, the_slice), the_slice)
    n_bytes = sum(chunk.cost for chunk in (all_of_it if work is None else work))
    looked_at = begin_choosing(folder, the_slice, n_bytes, options)
    sys.meta_path.insert(0, _NoPandas)
    # Only now: importing Beam takes nearly as long as looking at the engine does. Workers read and
    # segment meanwhile.
    from pipeline.job import run_job

    if int(workers):
        # Once, for all workers of this machine.
        with contextlib.suppress(UserError):  # They say it again, and are heard.
            engine = REFERENCE if looked_at is None else FAST
            loaded_tokenizer(folder, read_config(folder).tokenizer_sha256, engine)
    elif looked_at is not None:
        wait_for_engine(folder, looked_at)
        looked_at = None  # Workers elsewhere find the verdict there.
    # The million objects that are there by now stay: the garbage collector is not to look at them,
    # and so copy them, in every worker again and again.
    gc.freeze()
    # Before Python has threads: a fork copies only the one that calls it. Those of allocators and
    # pools that stand by are needed by no worker.
    if work and int(workers) > 1 and len(work) > 1:
        work = _forked(shares(work, int(workers)))
    _end_with_parent()
    try:
        if work is None or work:
            run_job(folder, the_slice, work, options, looked_at)
    except UserError as error:
        # Names of files may hold line ends; the answer is one line.
        print(" ".join(str(error).splitlines()), file=answer, flush=True)
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
