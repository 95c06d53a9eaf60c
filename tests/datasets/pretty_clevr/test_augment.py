import numpy as np
import torch

from datasets.dataset import QuestionDataset
from datasets.pretty_clevr.augment import augment
from datasets.pretty_clevr.questions import STARTS
from datasets.pretty_clevr.task import TASK, PrettyClevrData
from tests.datasets.pretty_clevr.slow import answer


def make(tmp_path, scenes):
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    torch.manual_seed(seed)
    settings = PrettyClevrData(train=scenes, val=1, test=1, seed=seed)
    TASK.make(settings, tmp_path)
    return QuestionDataset(tmp_path / "train.h5")


def test_changed_scenes_give_the_changed_answers(tmp_path):
    data = make(tmp_path, 6)
    # Some questions of each scene, in no order.
    batch = data[torch.randperm(len(data))[:400]]
    before = batch.clone()
    out = augment(batch)
    for key in ("x", "pos", "vector", "y"):
        assert torch.equal(batch[key], before[key])  # left as it was
        assert not torch.equal(out[key], batch[key])
    for key in ("question_type", "family", "support"):
        assert torch.equal(out[key], batch[key])
    assert torch.equal(out.x[:, 16:], out.pos)
    for i, scene in enumerate(out.question_batch.tolist()):
        here = out.batch == scene
        expected, way = answer(
            out.x[here].tolist(), out.pos[here].tolist(), out.vector[i].tolist()
        )
        assert STARTS[int(out.y[i])] == expected
        first = int(out.ptr[scene])
        support = out.support[out.support_batch == i] - first
        assert support.tolist() == way
        # The number of jumps, and whether a colour or a marker is named.
        assert torch.equal(out.vector[i, 16:], batch.vector[i, 16:])
        assert (out.y[i] < 8) == (batch.y[i] < 8)


def test_all_symmetries_and_names_come(tmp_path):
    batch = make(tmp_path, 1)[:]
    outs = [augment(batch) for _ in range(150)]
    places = {tuple(out.pos[0].tolist()) for out in outs}
    x, y = batch.pos[0].tolist()
    assert places == {
        (s * a, t * b)
        for a, b in ((x, y), (y, x))
        for s in (1, -1)
        for t in (1, -1)
    }
    named = torch.stack([out.x[0, :16] for out in outs])
    assert named.any(0).all()
