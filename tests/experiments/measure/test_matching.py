import pytest
from torch import nn

from experiments.config import ModelConfig
from experiments.measure.matching import count_parameters, match_parameters
from experiments.run.models import MODELS, Plan


@pytest.mark.parametrize("hidden", [32, 64, 200])
@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize(
    "name",
    [n for n, s in MODELS.items() if s.build and s.matched and not s.cells],
)
def test_every_model_comes_within_ten_percent(name, depth, hidden, inputs):
    sizes = ModelConfig(hidden_channels=hidden)
    spec = MODELS[name]
    target = count_parameters(MODELS["rn"].build(Plan(sizes, inputs, hidden)))

    def build(width):
        return spec.build(Plan(sizes, inputs, width, depth, 0.2, [0, 2, 3]))

    width = match_parameters(build, target, multiple_of=spec.multiple_of)
    assert width % spec.multiple_of == 0
    assert abs(count_parameters(build(width)) - target) <= 0.1 * target


def test_the_nearest_width_is_found():
    for target in (1000, 1099, 1100, 1200, 54_321):
        width = match_parameters(
            lambda w: nn.Linear(99, w), target, tolerance=1
        )
        nearest = min(range(1, 1000), key=lambda w: abs(100 * w - target))
        assert abs(100 * width - target) == abs(100 * nearest - target)


def test_a_target_out_of_reach_is_refused():
    with pytest.raises(ValueError, match="no hidden width up to 8"):
        match_parameters(lambda w: nn.Linear(10, w), 10_000, largest=8)
    with pytest.raises(ValueError, match="width 1 has 1,000"):
        match_parameters(lambda w: nn.Linear(999, w), 500)
