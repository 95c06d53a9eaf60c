"""Heterogeneous: RNConv between two types of nodes, in PyG's HeteroConv.

Applicants and jobs are nodes of two types, of different widths. Applicants
have a grade in each of four subjects; a job asks for one subject, and a grade.
Edges say who applied for what. Can a job be filled: is one of its applicants
good enough in its subject? RNConv sees applicant and job at once; SAGEConv has
a job beside the mean of its applicants. Both stand in the same HeteroConv, and
are tested on jobs and applicants of another year.

    python examples/heterogeneous.py
"""

import argparse
import time
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import MLP, HeteroConv, SAGEConv

from rn_graph import RNConv

SUBJECTS, APPLICATIONS = 4, 5
APPLIED = ("applicant", "applied_for", "job")


def make_year(jobs: int, seed: int) -> HeteroData:
    """Jobs, as many applicants, and five applications for each job."""
    generator = torch.Generator().manual_seed(seed)
    grades = torch.rand(jobs, SUBJECTS, generator=generator)
    subject = torch.randint(SUBJECTS, (jobs,), generator=generator)
    # Such that about half of the jobs can be filled by one of five.
    least = 0.6 + 0.4 * torch.rand(jobs, generator=generator)
    applicant = torch.randint(jobs, (APPLICATIONS * jobs,), generator=generator)
    job = torch.arange(jobs).repeat_interleave(APPLICATIONS)
    good = grades[applicant, subject[job]] >= least[job]
    data = HeteroData()
    data["applicant"].x = grades
    data["job"].x = torch.cat(
        [F.one_hot(subject, SUBJECTS), least.unsqueeze(1)], 1
    )
    data["job"].y = good.view(jobs, APPLICATIONS).any(1).long()
    data[APPLIED].edge_index = torch.stack([applicant, job])
    return data


class Net(nn.Module):
    """A HeteroConv from applicants to jobs, then an MLP of each job."""

    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__()
        self.conv = HeteroConv({APPLIED: conv})
        self.head = MLP([channels, channels, channels, 2], norm=None)

    def forward(self, data: HeteroData) -> Tensor:
        """Score no and yes of each job, ``[jobs, 2]``."""
        h = self.conv(data.x_dict, data.edge_index_dict)["job"]
        scores: Tensor = self.head(h.relu())
        return scores


def make_nets() -> dict[str, Net]:
    """Both networks; widths are those of (senders, receivers)."""
    widths = (SUBJECTS, SUBJECTS + 1)
    return {
        "SAGEConv": Net(SAGEConv(widths, 66), 66),
        "RNConv": Net(RNConv(widths, 48, hidden_channels=48, num_layers=3), 48),
    }


def train(model: nn.Module, data: HeteroData, steps: int) -> None:
    """Train on all jobs of a year in each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(data), data["job"].y).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, data: HeteroData) -> float:
    """Share of the jobs that are told right."""
    model.eval()
    return (model(data).argmax(1) == data["job"].y).float().mean().item()


def main(argv: list[str] | None = None) -> None:
    """Train both on one year, and print what they reach on the next."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    # Applicants send and do not hear: it is meant that nothing updates them.
    warnings.filterwarnings("ignore", "There exist node types", UserWarning)
    now = make_year(args.jobs, args.seed)
    later = make_year(args.jobs, args.seed + 1)
    often = later["job"].y.bincount().max() / args.jobs
    print(f"most frequent answer  test accuracy {100 * often:.1f} %")
    torch.manual_seed(args.seed)
    for name, model in make_nets().items():
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        train(model, now, args.steps)
        print(
            f"{name:8}  {size:6,} parameters  "
            f"{time.perf_counter() - start:3.0f} s  training "
            f"{100 * accuracy(model, now):.1f} %  "
            f"test accuracy {100 * accuracy(model, later):.1f} %"
        )


if __name__ == "__main__":
    main()
