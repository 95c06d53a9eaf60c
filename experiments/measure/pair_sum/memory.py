"""Peak memory of a step, in a fresh process for each contender and shape."""

import multiprocessing as mp
import sys
from multiprocessing.connection import Connection
from typing import Any

import torch

from experiments.measure.pair_sum.contenders import CONTENDERS
from experiments.measure.pair_sum.contenders.base import Case, Settings
from experiments.measure.pair_sum.contenders.external import close_workers
from experiments.measure.pair_sum.measuring import describe
from experiments.measure.pair_sum.shapes import Shape, make_inputs


def peak_memory(
    name: str, shape: Shape, case: Case, settings: Settings
) -> int | str:
    """Measure in a fresh process.

    Args:
        name: The contender.
        shape: The shape.
        case: What to run.
        settings: Of the run.

    Returns:
        Bytes beyond parameters and inputs, or why there is no figure.
    """
    # A server that has torch imported, and has run nothing, forks faster than
    # a new interpreter starts.
    forks = sys.platform != "win32"
    context: Any = mp.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_measure, args=(theirs, name, shape, case, settings)
    )
    process.start()
    theirs.close()
    try:
        result: int | str = ours.recv()
    except EOFError:
        process.join()
        result = f"failed: its process ended ({process.exitcode})"
    except BaseException:
        process.terminate()
        raise
    process.join()
    return result


def _measure(
    answer: Connection,
    name: str,
    shape: Shape,
    case: Case,
    settings: Settings,
) -> None:
    torch.set_num_threads(settings.threads)
    try:
        contender = CONTENDERS[name](shape, settings)
        # What is loaded once, at the first step, is no part of a step.
        small = shape.like(8, 8)
        contender.prepare(make_inputs(small, settings.seed, settings.device))
        contender.run(case)
        inputs = make_inputs(shape, settings.seed, settings.device)
        contender.prepare(inputs)
        answer.send(contender.peak_bytes(case))
    except Exception as error:
        answer.send(describe(error))
    finally:
        close_workers()
