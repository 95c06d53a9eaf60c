"""Other scenes and questions, as true as those that they come from."""

import torch
from torch_geometric.data import Batch

from datasets.pretty_clevr.questions import COLORS, MARKERS, STARTS
from datasets.symmetries import turned


def augment(batch: Batch) -> Batch:
    """Rename colours and markers of each scene; mirror and turn it.

    Which colour and which marker an object has decides nothing, as long as
    questions and answers follow, and distances stay the same in the square's
    eight symmetries. Random numbers are torch's own, of the batch's device.

    Args:
        batch: Of :class:`~datasets.dataset.QuestionDataset`, of a store of
            Pretty-CLEVR; it stays as it is.
    """
    device, scene, asked = batch.y.device, batch.batch, batch.question_batch
    graphs, names = batch.num_graphs, len(STARTS)
    becomes = torch.cat(
        [
            torch.rand(graphs, len(COLORS), device=device).argsort(1),
            torch.rand(graphs, len(MARKERS), device=device).argsort(1)
            + len(COLORS),
        ],
        dim=1,
    )
    out = turned(batch)
    out.x.scatter_(1, becomes[scene], batch.x[:, :names])
    out.vector.scatter_(1, becomes[asked], batch.vector[:, :names])
    out.y = becomes[asked, batch.y]
    return out
