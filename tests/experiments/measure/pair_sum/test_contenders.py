import sys
from dataclasses import replace

import pytest
import torch

from experiments.measure.pair_sum.check import WrongResultError, check
from experiments.measure.pair_sum.contenders import CONTENDERS, find_contenders
from experiments.measure.pair_sum.contenders.base import (
    Case,
    Settings,
    Unavailable,
)
from experiments.measure.pair_sum.contenders.external import close_workers
from experiments.measure.pair_sum.contenders.ours import (
    RNConvAll,
    RNConvSymmetric,
)
from experiments.measure.pair_sum.contenders.torch_peers import Padded, Plain
from experiments.measure.pair_sum.shapes import SHAPES, make_inputs

SETTINGS = Settings(jraph_python=sys.executable)
ONE = replace(SHAPES["scenes"], width=16, question_channels=7)
MANY = replace(SHAPES["questions"], width=16, question_channels=7)
NONE = replace(SHAPES["grid64"], width=16)
ASKED = replace(NONE, question_channels=7)
PLAIN = replace(ONE, plain_last=True)
PLAIN_ONES = replace(NONE, plain_last=True, num_layers=3)
IN_PROCESS = [
    name
    for name in CONTENDERS
    if name not in ("pyg_compiled", "jraph", "graph_nets")
]


def make(name, shape, settings=SETTINGS):
    reason = CONTENDERS[name].fits(shape)
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    try:
        return CONTENDERS[name](shape, settings)
    except Unavailable as error:
        pytest.skip(f"{name}: {error}")


@pytest.mark.parametrize(
    "shape",
    [ONE, MANY, NONE, ASKED, PLAIN, PLAIN_ONES],
    ids=["one", "many", "none", "asked", "plain", "plain_ones"],
)
@pytest.mark.parametrize("name", IN_PROCESS)
def test_computes_the_formula(name, shape):
    check(make(name, shape))


def test_dense_rows_of_several_questions():
    check(make("dense_split", replace(ASKED, questions=2)))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["rnconv", "pyg_plain", "edge_conv"])
def test_computes_the_formula_at_full_width(name, seed):
    # There, rounding moves some ReLUs of some contenders across 0.
    check(make(name, SHAPES["scenes"], replace(SETTINGS, seed=seed)))


@pytest.mark.parametrize("shape", [ONE, PLAIN], ids=["one", "plain"])
def test_jraph_computes_the_formula(shape):
    try:
        check(make("jraph", shape))
    finally:
        close_workers()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("mode", ["forward", "training"])
@pytest.mark.parametrize("name", ["rnconv", "pyg_plain", "padded"])
def test_cases(name, mode, precision):
    contender = make(name, ONE)
    inputs = make_inputs(ONE.like(2, 6, 4), 1)
    contender.prepare(inputs)
    assert contender.run(Case(mode, precision)) > 0
    assert bool(contender.gradients()) == (mode == "training")
    exact = make("rnconv", ONE)
    exact.prepare(inputs)
    exact.run(Case("forward", "fp32"))
    deviation = (contender.output() - exact.output()).abs().max()
    share = float(deviation / exact.output().abs().max())
    assert share < (1e-5 if precision == "fp32" else 0.05)
    assert precision == "fp32" or share > 1e-5  # autocast was on


def test_a_wrong_contender_is_found():
    class Forgets(Padded):
        """Public code has no mask: padding takes part in the sum."""

        def prepare(self, inputs):
            super().prepare(inputs)
            self.mask = None

    with pytest.raises(WrongResultError, match="its out deviates"):
        check(Forgets(ONE, SETTINGS))


def test_wrong_gradients_are_found():
    class Detaches(Plain):
        def forward(self):
            out = super().forward()
            return out + out.detach()  # twice the value, once the gradient

        def output(self):
            return super().output() / 2

    class Doubles(Detaches):
        def gradients(self):
            return {k: 2 * v for k, v in super().gradients().items()}

    check(Detaches(ONE, SETTINGS))
    with pytest.raises(WrongResultError, match="its question deviates"):
        check(Doubles(ONE, SETTINGS))


def test_a_symmetric_g_is_checked_with_tied_weights():
    class Untied(RNConvSymmetric):
        symmetric = False

    check(RNConvSymmetric(ONE, SETTINGS))
    with pytest.raises(WrongResultError, match="its out deviates"):
        check(Untied(ONE, SETTINGS))


@pytest.mark.parametrize("equal", [False, True])
def test_ours_is_checked_on_ragged_and_equal_graphs(equal):
    class Wrong(RNConvAll):
        def forward(self):
            is_equal = len(set(self.inputs.shape.sizes)) == 1
            return super().forward() * (1.01 if is_equal == equal else 1)

    with pytest.raises(WrongResultError, match="its out deviates"):
        check(Wrong(ONE, SETTINGS))


def test_a_last_relu_is_found():
    class Clamped(Padded):
        def build(self, weights):
            return super().build(weights._replace(plain_last=False))

    check(Padded(PLAIN, SETTINGS))
    with pytest.raises(WrongResultError, match="its out deviates"):
        check(Clamped(PLAIN, SETTINGS))


def test_all_get_the_same_weights():
    plain, ours = make("pyg_plain", ONE), make("rnconv", ONE)
    for k, lin in enumerate(ours.module.g.lins):
        assert torch.equal(lin.weight, plain.module.g[2 * k].weight)


def test_missing_peers_say_so():
    with pytest.raises(Unavailable, match="--graph_nets_python"):
        CONTENDERS["graph_nets"](ONE, SETTINGS)
    nowhere = replace(SETTINGS, jraph_python="/nowhere/python")
    with pytest.raises(Unavailable, match="does not start"):
        CONTENDERS["jraph"](ONE, nowhere)


def test_a_worker_without_its_library_says_so(tmp_path):
    # A Python that finds the worker and numpy, but neither jax nor jraph.
    wrapper = tmp_path / "python"
    (tmp_path / "jax.py").write_text("raise ImportError('no jax here')")
    wrapper.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n'
    )
    wrapper.chmod(0o755)
    settings = replace(SETTINGS, jraph_python=str(wrapper))
    with pytest.raises(Unavailable, match="no jax here"):
        CONTENDERS["jraph"](ONE, settings)


def test_unknown_contender():
    with pytest.raises(ValueError, match="'nothing'"):
        find_contenders(["rnconv", "nothing"])


def test_recomputed_share():
    def share(name, case, contender="rnconv"):
        return CONTENDERS[contender].recomputed_share(SHAPES[name], case)

    training = Case("training", "fp32")
    assert share("scenes", training) == 0
    assert 0.97 < share("n1024", training) < 1
    assert share("n1024", Case("forward", "fp32")) == 0
    assert share("n1024", Case("training", "bf16")) < share("n1024", training)
    assert share("n256_plain", training) == 0.5
    assert share("n256_plain3", training) == 0
    assert share("n1024", training, "rnconv_keep") == 0
    assert share("n1024", training, "padded") == 0
