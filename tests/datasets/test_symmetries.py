import torch
from torch_geometric.data import Batch

from datasets.symmetries import turned


def make(graphs, size, dims):
    seed = int(torch.seed()) % 2**31
    print(f"seed {seed}")
    torch.manual_seed(seed)
    pos = torch.rand(graphs * size, dims) * 2 - 1
    scene = torch.arange(graphs).repeat_interleave(size)
    batch = Batch(x=torch.cat([torch.rand(len(pos), 3), pos], 1), pos=pos)
    batch.batch = scene
    batch.ptr = torch.arange(0, len(pos) + 1, size)
    batch._num_graphs = graphs
    return batch


def test_distances_stay():
    batch = make(20, 6, 8)
    before = batch.clone()
    out = turned(batch)
    assert torch.equal(batch.x, before.x)  # left as it was
    assert torch.equal(batch.pos, before.pos)
    assert torch.equal(out.x[:, 3:], out.pos)
    assert torch.equal(out.x[:, :3], batch.x[:, :3])
    assert torch.equal(out.batch, batch.batch)
    for p in (1, 2):
        for old, new in zip(batch.pos.split(6), out.pos.split(6), strict=True):
            assert not torch.equal(old, new)
            expected = torch.cdist(old.double(), old.double(), p)
            found = torch.cdist(new.double(), new.double(), p)
            assert torch.allclose(found, expected, atol=1e-6)


def test_all_symmetries_come_and_each_scene_has_its_own():
    batch = make(400, 1, 2)
    batch.pos[:] = batch.pos[0]
    out = turned(batch)
    x, y = batch.pos[0].tolist()
    assert {tuple(place) for place in out.pos.tolist()} == {
        (s * a, t * b)
        for a, b in ((x, y), (y, x))
        for s in (1, -1)
        for t in (1, -1)
    }
