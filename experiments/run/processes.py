"""The processes of a training: one, or those that torchrun started.

``torchrun --nproc_per_node 2 -m experiments compare quick --jobs 1``

Each process runs the whole program. Those after the first take part in the
training alone: the first one writes, measures and reports.
"""

import os

import torch
import torch.distributed as dist


def count() -> int:
    """How many processes there are, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def device(accelerator: str) -> str:
    """This process's device, for one of Lightning's accelerators.

    Raises:
        ValueError: For a GPU that there is not.
    """
    wanted = accelerator in ("gpu", "cuda")
    if wanted and not torch.cuda.is_available():
        raise ValueError(
            f"`train.accelerator` is {accelerator!r}, but there is no GPU that "
            f"torch can use: expected cpu or auto"
        )
    if wanted or (accelerator == "auto" and torch.cuda.is_available()):
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return "cpu"


def join() -> None:
    """Meet the other processes, unless that is done or there are none."""
    if count() > 1 and not dist.is_initialized():
        dist.init_process_group()  # each device by the backend that suits it


def wait() -> None:
    """Wait until every process is here."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def leave() -> None:
    """Part from the other processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
