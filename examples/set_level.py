"""Set-level: do any two appointments overlap? All pairs beside Deep Sets.

A calendar is a set of 4 to 8 appointments, each a start and an end, in no
order. In half of the calendars two of them overlap, in the others none do. A
Relation Network sums g over all pairs; Deep Sets sums what it says of each
appointment alone, and has about as many parameters. Calendars are drawn for
each step; the test calendars are fresh, and some have twice as many
appointments as any that was trained on.

    python examples/set_level.py
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rn_graph import DeepSets, RelationNetwork

SIZES = (4, 8)


def draw_sets(
    count: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Appointments ``[count * size, 2]``, their calendars, and the answers."""
    middle = torch.rand(count, size, generator=generator)
    half = 0.5 + torch.rand(count, size, generator=generator)
    # Half their length times `touch`, the first two of a calendar touch.
    gap = (middle.unsqueeze(2) - middle.unsqueeze(1)).abs()
    touch = gap / (half.unsqueeze(2) + half.unsqueeze(1))
    touch.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    # A bit less, and none overlap; a bit more, and some do.
    scale = 0.5 + torch.rand(count, generator=generator)
    half = half * (touch.flatten(1).amin(1) * scale).unsqueeze(1)
    x = torch.stack([middle - half, middle + half], 2).flatten(0, 1)
    batch = torch.arange(count).repeat_interleave(size)
    return x, batch, (scale > 1).long()


def make_nets() -> dict[str, nn.Module]:
    """Both networks, of about the same size."""
    sizes = {"hidden_channels": 64, "readout_channels": (64,)}
    return {
        "Deep Sets": DeepSets(2, 2, num_layers=4, **sizes),
        "RN": RelationNetwork(2, 2, num_layers=4, self_pairs=False, **sizes),
    }


def train(model: nn.Module, steps: int, count: int, seed: int) -> None:
    """Train on calendars drawn for each step, never seen twice."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    least, most = SIZES
    for _ in range(steps):
        size = int(torch.randint(least, most + 1, (), generator=generator))
        x, batch, y = draw_sets(count, size, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(x, None, batch), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, count: int, size: int, seed: int) -> float:
    """Share of fresh calendars of one size that are told right."""
    generator = torch.Generator().manual_seed(seed)
    x, batch, y = draw_sets(count, size, generator)
    model.eval()
    return (model(x, None, batch).argmax(1) == y).float().mean().item()


def main(argv: list[str] | None = None) -> None:
    """Train both, and print what they reached on fresh calendars."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    print("chance                                test accuracy 50.0 %")
    torch.manual_seed(args.seed)
    for name, model in make_nets().items():
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        train(model, args.steps, args.batch_size, args.seed + 1)
        seconds = time.perf_counter() - start
        by_size = ", ".join(
            f"{100 * accuracy(model, 4000, n, args.seed + 2):.1f} % of {n}"
            for n in (*SIZES, 2 * SIZES[1])
        )
        print(
            f"{name:9}  {size:6,} parameters  {seconds:3.0f} s  "
            f"test accuracy {by_size}"
        )


if __name__ == "__main__":
    main()
