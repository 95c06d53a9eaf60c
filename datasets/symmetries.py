"""Scenes turned and mirrored, as true as those that they come from."""

import torch
from torch_geometric.data import Batch


def turned(batch: Batch) -> Batch:
    """Exchange and mirror the axes of each scene's places.

    Distances, Euclidean and L1, stay the same. Random numbers are torch's own,
    of the batch's device.

    Args:
        batch: Of :class:`~datasets.dataset.QuestionDataset`; places from −1 to
            1, which are also the last columns of ``x``. It stays as it is.
    """
    scene, pos = batch.batch, batch.pos
    shape = batch.num_graphs, pos.size(1)
    axes = torch.rand(shape, device=pos.device).argsort(1)
    sign = torch.randint(0, 2, shape, device=pos.device) * 2 - 1
    out = batch.clone()
    out.pos = pos.gather(1, axes[scene]) * sign[scene]
    out.x[:, -pos.size(1) :] = out.pos
    return out
