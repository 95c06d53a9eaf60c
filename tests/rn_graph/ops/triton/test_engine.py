"""The Triton backend equals the formula; needs Triton."""

import importlib.util
import json
import os
import random
import subprocess
import sys

import pytest
import torch

from rn_graph import RNConv
from rn_graph.batching import Complete
from rn_graph.mlp import PairMLP
from rn_graph.ops import choose, pair_sum
from rn_graph.ops.triton import SHARED_BYTES, is_chosen, why_not

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed (pip install triton)",
)
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device"
)
TOLERANCE = {"float32": 2e-5, "float16": 2e-3}


def run_program(name, *arguments, interpret):
    """Run a program of this folder; its lines. Triton reads the switch once."""
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.{name}", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"},
    )
    message = (arguments, done.stdout[-800:], done.stderr[-3000:])
    assert done.returncode == 0, message
    return done.stdout.splitlines()


@pytest.mark.triton
@needs_triton
def test_interpreted_kernels_equal_the_formula():
    seed = random.randrange(2**31)
    lines = run_program("cases", str(seed), "5", interpret=True)
    assert len(lines) == 18
    for line in map(json.loads, lines):
        tolerance = TOLERANCE[line["case"]["dtype"]]
        assert line["error"] <= tolerance, (seed, line)


@pytest.mark.triton
@needs_triton
# Weights of 64 channels are taken as a whole, of 128 in two parts.
@pytest.mark.parametrize("width", ["64", "128"])
def test_kernels_compile_and_fit_a_hopper_gpu(width):
    lines = run_program("compiles", width, interpret=False)
    assert len(lines) == 8
    for line in lines:
        assert int(line.split()[1]) <= SHARED_BYTES, line


@pytest.mark.parametrize(
    ("widths", "dtype", "device", "reason"),
    [
        ([64, 64, 64], torch.bfloat16, "cpu", "CUDA device"),
        ([64, 64, 64], torch.float64, "cuda", "float64"),
        ([64], torch.bfloat16, "cuda", "one layer"),
        ([48, 48, 64], torch.bfloat16, "cuda", "48 wide"),
        ([64, 64, 128], torch.bfloat16, "cuda", "128 at the end"),
    ],
)
def test_what_the_kernels_do_not_know_is_left_to_others(
    widths, dtype, device, reason, monkeypatch
):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    device = torch.device(device)
    assert reason in why_not(widths, dtype, device)
    assert not is_chosen(widths, dtype, device)


def test_what_they_know_can_be_asked_without_triton():
    program = (
        "import sys; sys.modules['triton'] = None; import rn_graph.ops.triton"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def mlp(**options):
    g = PairMLP(3, 3, 64, 64, 4, **options)
    g.reset_parameters()
    return g


def test_asking_for_it_without_a_gpu_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    x = torch.randn(4, 3)
    with pytest.raises(ValueError, match="'triton', but it needs a CUDA"):
        choose(mlp(), x, Complete(), "triton")
    conv = RNConv(3, 64, hidden_channels=64, backend="triton")
    with pytest.raises(ValueError, match="'triton', but it needs a CUDA"):
        conv(x)


def test_by_itself_it_is_not_chosen_on_the_cpu():
    x = torch.randn(4, 3, dtype=torch.bfloat16)
    assert choose(mlp().bfloat16(), x, Complete()) != "triton"


@pytest.mark.triton
@needs_gpu
@needs_triton
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("hidden", [64, 128, 256, 512])
@pytest.mark.parametrize("layers", [2, 3, 4, 5])
@pytest.mark.parametrize("sizes", [[300], [3, 10, 5, 0, 1, 7] * 20, [25] * 8])
def test_on_a_gpu_half_precision_is_near_the_truth(
    sizes, layers, hidden, dtype
):
    seed = random.randrange(2**31)
    torch.manual_seed(seed)
    conv = RNConv(
        8,
        hidden,
        hidden_channels=hidden,
        num_layers=layers,
        question_channels=6,
        question_layer=random.randrange(layers),
        self_pairs=random.random() < 0.5,
    ).to("cuda", torch.float64)
    graphs = [graph for graph, n in enumerate(sizes) for _ in range(n)]
    batch = torch.tensor(graphs, device="cuda")
    x = torch.randn(len(batch), 8, device="cuda", dtype=torch.float64)
    x.requires_grad_()
    question = torch.randn(len(sizes), 6, device="cuda", dtype=torch.float64)
    weight = torch.randn(len(batch), hidden, device="cuda")

    def run(backend, dtype):
        conv.backend = backend
        conv.to(dtype)
        out = conv(x.to(dtype), question=question.to(dtype), batch=batch)
        loss = (out.double() * weight).sum()
        return out, *torch.autograd.grad(loss, [x, *conv.parameters()])

    truth = run("reference", torch.float64)
    found = run("triton", dtype)
    for a, b in zip(found, truth, strict=True):
        assert torch.isfinite(a).all(), seed
        distance = (a.double() - b).norm() / b.norm().clamp(min=1e-6)
        assert distance < 3e-2, (seed, float(distance))
    again = run("triton", dtype)
    for a, b in zip(found, again, strict=True):
        assert torch.equal(a, b), (seed, "two runs differ")


@pytest.mark.triton
@needs_gpu
@needs_triton
def test_on_a_gpu_float32_is_exact_enough():
    torch.manual_seed(0)
    g = mlp(question_channels=None).cuda()
    x = torch.randn(200, 3, device="cuda", requires_grad=True)
    found = []
    for backend in ("triton", "reference"):
        out = pair_sum(g, g.terms(x, x), Complete(), backend=backend)
        found.append([out, *torch.autograd.grad(out.square().sum(), x)])
    for a, b in zip(*found, strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-5


@pytest.mark.triton
@needs_gpu
@needs_triton
def test_on_a_gpu_memory_does_not_grow_with_pairs():
    conv = RNConv(8, 256, backend="triton").to("cuda", torch.bfloat16)
    peaks = []
    for nodes in (4096, 16384):
        x = torch.randn(nodes, 8, device="cuda", dtype=torch.bfloat16)
        x.requires_grad_()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        conv(x).float().square().mean().backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    # Sixteen times the pairs; what grows is a few rows for each node.
    assert peaks[1] - peaks[0] < 12288 * 256 * 4 * 24, peaks
    assert peaks[1] < 1e9, peaks
