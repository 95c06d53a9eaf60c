import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from rn_graph import SceneQA
from rn_graph.encoders import Cells, ConvNet, VectorQuestion, map_to_nodes
from rn_graph.models import FiLM
from tests.rn_graph.models.model_checks import OUT, C, close
from tests.rn_graph.slow import awake

F, WIDTH = 4, 3
few = settings(deadline=None, max_examples=10)
seeds = st.integers(0, 2**16)
sides = st.integers(1, 4)


def make(question_channels=C, **sizes):
    """A network whose batch norms are not as they begin."""
    torch.manual_seed(0)
    sizes = {"num_blocks": 3, "readout_channels": (7,), **sizes}
    model = FiLM(F + 2, OUT, question_channels, WIDTH, **sizes).double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                torch.nn.init.normal_(module.weight)
                torch.nn.init.normal_(module.bias)
    return awake(model).eval()


def maps(count, height, width, seed=0):
    """Maps, their cells as objects, and a question about each."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, F, height, width, generator=g).double()
    question = torch.randn(count, C, generator=g).double()
    return x, map_to_nodes(x), question


def convolve(h, conv):
    """A convolution of one map, cell by cell."""
    side = conv.kernel_size[0]
    padded = torch.nn.functional.pad(h, [side // 2] * 4)
    out = [
        [
            (conv.weight * padded[:, r : r + side, c : c + side]).sum((1, 2, 3))
            for c in range(h.size(2))
        ]
        for r in range(h.size(1))
    ]
    made = torch.stack([torch.stack(row, -1) for row in out], 1)
    return made if conv.bias is None else made + conv.bias[:, None, None]


def normalize(h, norm):
    """Batch norm in evaluation, of one map."""
    h = (h - norm.running_mean[:, None, None]) / (
        norm.running_var + norm.eps
    ).sqrt()[:, None, None]
    if norm.affine:
        h = h * norm.weight[:, None, None] + norm.bias[:, None, None]
    return h


def line(cells):
    if cells == 1:
        return [0.0]
    return [2 * i / (cells - 1) - 1 for i in range(cells)]


def answer(model, x, question):
    """The formula, for one map and one question."""
    _, height, width = x.shape
    place = torch.tensor(
        [
            [line(width) for _ in range(height)],
            [[v] * width for v in line(height)],
        ],
        dtype=torch.float64,
    )
    h = x
    for number, block in enumerate(model.blocks):
        scale, shift = 1.0, 0.0
        if question is not None:
            made = model.generator.weight @ question + model.generator.bias
            own = made[number * 2 * WIDTH : (number + 1) * 2 * WIDTH]
            scale = 1 + own[:WIDTH, None, None]
            shift = own[WIDTH:, None, None]
        a = convolve(torch.cat([h, place]), block.look).clamp(min=0)
        normed = normalize(convolve(a, block.conv), block.norm)
        h = a + (scale * normed + shift).clamp(min=0)
    h = normalize(convolve(torch.cat([h, place]), model.conv), model.norm)
    pooled = h.clamp(min=0).flatten(1).max(1).values
    if model.question_in_readout:
        pooled = torch.cat([pooled, question])
    return model.readout(pooled[None])[0]


@few
@given(sides, sides, seeds, st.integers(1, 3), st.booleans())
def test_it_is_its_formula(height, width, seed, num_blocks, in_readout):
    model = make(num_blocks=num_blocks, question_in_readout=in_readout)
    x, nodes, question = maps(2, height, width, seed)
    out = model(nodes.x, question, nodes.batch, pos=nodes.pos)
    expected = torch.stack(
        [answer(model, *given) for given in zip(x, question, strict=True)]
    )
    close(out, expected)
    grads = torch.autograd.grad(out.square().sum(), [*model.parameters()])
    slow = torch.autograd.grad(expected.square().sum(), [*model.parameters()])
    for a, b in zip(grads, slow, strict=True):
        close(a, b)


@few
@given(seeds)
def test_several_questions_are_answered_as_one_by_one(seed):
    model = make()
    _, nodes, question = maps(3, 2, 4, seed)
    g = torch.Generator().manual_seed(seed)
    scene = torch.randint(2, (6,), generator=g)  # none about the third
    asked = torch.randn(6, C, generator=g).double()
    out = model(nodes.x, asked, nodes.batch, scene, nodes.pos)
    for i, s in enumerate(scene.tolist()):
        alone = question.clone()
        alone[s] = asked[i]
        close(model(nodes.x, alone, nodes.batch, pos=nodes.pos)[s], out[i])


def test_scaled_by_one_and_shifted_by_nought_it_is_the_plain_network():
    model, plain = make(), make(None)
    shared = {
        k: v for k, v in model.state_dict().items() if "generator" not in k
    }
    assert plain.state_dict().keys() == shared.keys()
    plain.load_state_dict(shared)
    x, nodes, question = maps(2, 3, 4)
    other = plain(nodes.x, None, nodes.batch, pos=nodes.pos)
    out = model(nodes.x, question, nodes.batch, pos=nodes.pos)
    assert (out - other).abs().amax(1).min() > 1e-3
    assert (other[0] - other[1]).abs().max() > 1e-3
    torch.nn.init.zeros_(model.generator.weight)
    torch.nn.init.zeros_(model.generator.bias)
    out = model(nodes.x, question, nodes.batch, pos=nodes.pos)
    close(plain(nodes.x, None, nodes.batch, pos=nodes.pos), out)
    for i, picture in enumerate(x):
        close(out[i], answer(plain, picture, None))


def test_training_sees_a_scenes_questions_as_copies_of_it():
    """Where all scenes have as many: the first block is run once a scene."""
    model = make().train()
    x, _, _ = maps(2, 3, 3)
    asked = torch.randn(6, C).double()
    scene = torch.tensor([0, 0, 0, 1, 1, 1])
    once, copies = map_to_nodes(x), map_to_nodes(x[scene])
    out = model(once.x, asked, once.batch, scene, once.pos)
    close(model(copies.x, asked, copies.batch, pos=copies.pos), out)


def test_gradients_reach_every_parameter():
    model = make().train()
    _, nodes, question = maps(3, 3, 3)
    out = model(nodes.x, question, nodes.batch, pos=nodes.pos)
    out.square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


def test_the_first_block_looks_once_a_scene():
    model = make(num_blocks=1)
    _, nodes, question = maps(1, 3, 3)

    def flops(questions):
        scene = torch.zeros(questions, dtype=torch.long)
        asked = question.expand(questions, -1)
        with FlopCounterMode(display=False) as counter:
            model(nodes.x, asked, nodes.batch, scene, nodes.pos)
        return counter.get_total_flops()

    per_question = flops(2) - flops(1)
    assert per_question == flops(9) - flops(8)
    products = (F + 2) * WIDTH + 9 * WIDTH * WIDTH
    assert flops(1) - per_question == 2 * 9 * products


def test_pictures_of_any_size_behind_a_cnn():
    torch.manual_seed(0)
    objects = Cells(ConvNet(3, (F, F)), 3)
    model = SceneQA(objects, VectorQuestion(C), make().float()).eval()

    class Pictures:
        image = torch.rand(2, 3, 12, 20)
        vector = torch.randn(2, C)

    assert model(Pictures).shape == (2, OUT)
    Pictures.image = torch.rand(2, 3, 9, 9)
    assert model(Pictures).shape == (2, OUT)


def test_half_precision_and_another_layout():
    """Under autocast, and as a GPU lays maps out, the same comes out."""
    model = make()
    _, nodes, question = maps(2, 3, 3)
    out = model(nodes.x, question, nodes.batch, pos=nodes.pos)
    model.to(memory_format=torch.channels_last)
    close(model(nodes.x, question, nodes.batch, pos=nodes.pos), out)
    model, x = model.float(), nodes.x.float()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(x, question.float(), nodes.batch, pos=nodes.pos.float())
    torch.testing.assert_close(
        half.double(), out, rtol=0, atol=0.05 * out.abs().max().item()
    )


def test_no_questions():
    _, nodes, question = maps(2, 2, 2)
    scene = torch.zeros(0, dtype=torch.long)
    out = make()(nodes.x, question[:0], nodes.batch, scene, nodes.pos)
    assert out.shape == (0, OUT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": None}, "`pos` is None, expected column and row"),
        ({"pos": torch.rand(8, 3)}, r"`pos` is of shape \[8, 3\]"),
        ({"pos": torch.rand(8, 2)}, "`pos` is no grid in each graph"),
        ({"x": torch.zeros(8, F)}, r"`x` has"),
        ({"question": torch.zeros(2, C + 1)}, "`question` has"),
    ],
)
def test_objects_that_are_no_cells(change, message):
    _, nodes, question = maps(2, 2, 2)
    given = {"x": nodes.x, "question": question, "batch": nodes.batch}
    given |= {"pos": nodes.pos} | change
    given = {
        k: v.double() if v is not None and v.is_floating_point() else v
        for k, v in given.items()
    }
    with pytest.raises(ValueError, match=message):
        make()(**given)


@pytest.mark.parametrize(
    "name", ["in_channels", "hidden_channels", "num_blocks", "pooled_channels"]
)
def test_sizes_that_are_none(name):
    with pytest.raises(ValueError, match=f"`{name}` is 0, expected an integer"):
        FiLM(**{"in_channels": 3, "out_channels": 2, name: 0})
