"""Who takes part in a run: one process, or those that torchrun started."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator

import torch
from torch import distributed, nn

from schemas.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """This process among all.

    Attributes:
      device: where its part of the work is done.
      rank: from 0; rank 0 writes files and speaks.
      n_ranks: how many there are.
    """

    device: torch.device
    rank: int = 0
    n_ranks: int = 1

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks of a tensor on the CPU."""
        if self.n_ranks == 1:
            return values
        total = values.to(self.device)
        distributed.all_reduce(total)
        return total.cpu()

    def share_weights(self, policy: nn.Module) -> None:
        """Gives all ranks the weights of rank 0: those drawn on another CPU may differ in bits."""
        if self.n_ranks == 1:
            return
        for weight in policy.parameters():
            distributed.broadcast(weight.detach(), 0)

    def sum_gradients(self, policy: nn.Module) -> None:
        """Sums the gradients over all ranks, weight by weight.

        DDP lays its buckets out anew after a process's first step; with more than two ranks, the
        order of sums and so the last bits change with them, and resumed runs differ.
        """
        if self.n_ranks == 1:
            return
        gradients = [each.grad for each in policy.parameters()]
        for work in [distributed.all_reduce(each, async_op=True) for each in gradients]:
            work.wait()

    def by_first(self, act: Callable[[], None]) -> None:
        """Rank 0 acts while the others wait; what it is refused, all are refused.

        Raises:
          UserError: on every rank, if act raises one or an OSError.
        """
        refusal: list[str | None] = [None]
        if self.rank == 0:
            try:
                act()
            except (UserError, OSError) as error:
                refusal = [str(error)]
        if self.n_ranks > 1:
            distributed.broadcast_object_list(refusal)
        if refusal[0] is not None:
            raise UserError(refusal[0])


def device_named(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`; of several GPUs, the one of the local rank.

    Raises:
      UserError: if CUDA is asked for and there is none, or too few devices for the ranks.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        msg = (
            "--device cuda: torch sees no CUDA device here "
            f"(torch {torch.__version__}); use --device cpu, or a machine and a torch that have one"
        )
        raise UserError(msg)
    if name == "cpu" or not has_cuda:
        return torch.device("cpu")
    local_rank, n_devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local_rank >= n_devices:
        msg = f"more ranks than CUDA devices here: start {n_devices} with torchrun, or --device cpu"
        raise UserError(msg)
    return torch.device("cuda", local_rank)


@contextlib.contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did; leave them at the end.

    After an error, they are not waited for: they may wait for this one. torchrun ends them.

    Raises:
      UserError: if CUDA is asked for and there is none, or too few devices for the ranks.
    """
    place = device_named(device)
    n_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if n_ranks == 1:
        yield Ranks(device=place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    yield Ranks(device=place, rank=distributed.get_rank(), n_ranks=n_ranks)
    distributed.destroy_process_group()
