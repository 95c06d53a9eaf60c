import numpy as np
import pytest
import torch

from datasets.dataset import QuestionDataset
from datasets.sort_of_clevr.augment import Augmentation
from datasets.sort_of_clevr.questions import question_family, read_vector
from datasets.sort_of_clevr.task import TASK, SortOfClevrData
from datasets.sort_of_clevr.vocabulary import ANSWERS
from tests.datasets.sort_of_clevr.seen import answer, look


def make(tmp_path, objects):
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    settings = SortOfClevrData(
        train=30, val=1, test=1, seed=seed, objects=objects
    )
    TASK.make(settings, tmp_path)
    return QuestionDataset(
        tmp_path / "train.h5",
        objects=objects,
        node_features=TASK.node_features(settings),
    )[np.arange(600)]


def test_changed_pictures_give_the_changed_answers(tmp_path):
    batch = make(tmp_path, "images")
    before = batch.clone()
    out = Augmentation()(batch)
    for key in ("image", "vector", "y"):
        assert torch.equal(batch[key], before[key])  # left as it was
    assert not torch.equal(out.image, batch.image)
    assert not torch.equal(out.y, batch.y)
    image = (out.image * 255).round().byte().permute(0, 2, 3, 1).numpy()
    seen = [look(picture) for picture in image]
    for i, scene in enumerate(out.question_batch.tolist()):
        vector = out.vector[i].byte().numpy()
        expected = answer(seen[scene], vector.tolist())[0]
        assert ANSWERS[int(out.y[i])] == expected
        color, kind = read_vector(vector)
        assert kind == out.question_type[i]
        assert question_family(color, kind) == out.family[i]


def test_changed_states_are_those_of_a_changed_picture(tmp_path):
    batch = make(tmp_path, "states")
    out = Augmentation()(batch)
    # Object k is the one of colour k, as before.
    color = out.x[:, :6].argmax(1).view(-1, 6)
    assert torch.equal(color, torch.arange(6).expand_as(color))
    assert torch.equal(out.x[:, -2:], out.pos)
    pos, shape = out.pos.view(-1, 6, 2), out.x[:, 6:8].argmax(1).view(-1, 6)
    for i, scene in enumerate(out.question_batch.tolist()):
        asked, kind = read_vector(out.vector[i].byte().numpy())
        far = (pos[scene] - pos[scene, int(asked)]).norm(dim=1)
        near = far.clone()
        near[int(asked)] = torch.inf
        x, y = pos[scene, int(asked)]
        same = (shape[scene] == shape[scene, int(asked)]).sum()
        expected = [
            2 + shape[scene, int(asked)],
            int(x > 0),
            int(y > 0),
            2 + shape[scene, near.argmin()],
            2 + shape[scene, far.argmax()],
            3 + same,
        ][int(kind)]
        assert out.y[i] == expected
        first = out.support[out.support_batch == i][0]
        assert first == 6 * scene + int(asked)


@pytest.mark.parametrize("objects", ["images", "states"])
def test_all_symmetries_and_colours_come(tmp_path, objects):
    batch = make(tmp_path, objects)
    torch.manual_seed(0)
    augment = Augmentation()
    kinds = torch.stack([augment(batch).question_type for _ in range(40)])
    answers = torch.stack([augment(batch).y for _ in range(40)])
    left = batch.question_type == 1
    assert kinds[:, left].unique().tolist() == [1, 2]
    assert answers[:, left].unique().tolist() == [0, 1]
    assert (kinds[:, batch.question_type > 2] > 2).all()
