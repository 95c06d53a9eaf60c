"""Memory that is used again: never in use, bounded, and freed."""

import gc
import threading
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from rn_graph import RNConv
from rn_graph.ops.blocked import engine, memory

LIKE = torch.empty(0)
LARGE = memory._LEAST_BYTES // 4  # float32s of a matrix that is kept


@pytest.fixture(autouse=True)
def _store(monkeypatch):
    """A store of this test's own."""
    gc.collect()
    monkeypatch.setattr(memory, "_store", memory._Store())


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def place(matrix):
    return matrix.untyped_storage().data_ptr()


@settings(deadline=None, max_examples=50)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 6 * LARGE)), max_size=60
    )
)
def test_what_is_held_is_not_given_again(steps):
    held = {}
    for number, (name, rows) in enumerate(steps):
        held.pop(name, None)
        matrix = memory.take(rows, 1, LIKE).fill_(number)
        assert matrix.shape == (rows, 1)
        held[name] = matrix, number
        for other, value in held.values():
            assert other.eq(value).all()


def test_a_view_holds_the_memory():
    matrix = memory.take(LARGE, 2, LIKE).fill_(1)
    part, where = matrix.t()[1:, 7:], place(matrix)
    del matrix
    assert place(memory.take(LARGE, 2, LIKE).fill_(2)) != where
    assert part.eq(1).all()
    del part
    assert place(memory.take(LARGE, 2, LIKE)) == where


def test_what_is_freed_is_taken_again_by_what_fits():
    one = memory.take(LARGE, 4, LIKE)
    where = place(one)
    assert memory.idle_bytes() == 0
    del one
    assert memory.idle_bytes() >= LARGE * 16
    small, large = memory.take(LARGE, 1, LIKE), memory.take(LARGE, 9, LIKE)
    assert where not in (place(small), place(large))
    matrix = memory.take(LARGE, 8, LIKE, torch.bfloat16)  # of any type
    assert place(matrix) == where
    assert matrix.dtype == torch.bfloat16


@settings(deadline=None, max_examples=50)
@given(size=st.integers(memory._LEAST_BYTES, 2**22))
def test_a_matrix_takes_hardly_more_than_its_size(size):
    matrix = memory.take(size, 1, LIKE, torch.uint8)
    assert matrix.numel() == size
    before = memory.idle_bytes()
    del matrix
    assert size <= memory.idle_bytes() - before <= 1.25 * size


def test_small_matrices_are_left_to_torch():
    memory.take(LARGE - 1, 1, LIKE)
    assert memory.idle_bytes() == 0
    assert memory.take(LARGE, 1, LIKE.to("meta")).is_meta


@pytest.fixture
def most(monkeypatch):
    """A small bound, a mebibyte."""
    monkeypatch.setattr(memory, "MAX_IDLE_BYTES", 2**20)
    return memory.MAX_IDLE_BYTES


def test_idle_memory_is_bounded(most):
    held = [memory.take(LARGE, 1, LIKE) for _ in range(50)]
    assert memory.idle_bytes() == 0
    del held
    assert memory.idle_bytes() == most
    memory.take(LARGE, 40, LIKE)  # alone too large
    assert memory.idle_bytes() <= most
    last = memory.take(LARGE, 16, LIKE)
    where = place(last)
    del last  # what was asked for lately stays
    assert memory.idle_bytes() <= most
    assert place(memory.take(LARGE, 16, LIKE)) == where


def test_what_a_layer_is_told_to_keep_may_wait(most):
    one, other = RNConv(4, 6), RNConv(4, 6)
    memory.keep(one, 2 * most)
    memory.keep(other, most // 2)
    held = [memory.take(LARGE, 1, LIKE) for _ in range(100)]
    del held
    assert memory.idle_bytes() == 2 * most
    del one  # what it was told goes with it
    gc.collect()
    memory.take(LARGE, 1, LIKE)
    assert memory.idle_bytes() == most


def test_a_finished_thread_leaves_its_memory_to_others():
    where = in_a_thread(lambda: place(memory.take(LARGE, 3, LIKE)))
    assert memory.idle_bytes() == LARGE * 12
    assert place(memory.take(LARGE, 3, LIKE)) == where
    assert in_a_thread(lambda: place(memory.take(LARGE, 3, LIKE))) == where


def test_many_threads_keep_no_more_than_one(most):
    conv = RNConv(4, 64, 64, 3, backend="blocked", keep_bytes=most)
    x = torch.randn(60, 4)
    expected = conv(x)
    found, start = [], threading.Barrier(4)

    def work():
        start.wait()
        found.extend(conv(x) for _ in range(3))

    for _ in range(4):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 48
    assert all(out.equal(expected) for out in found)
    found.clear()
    gc.collect()
    assert 0 < memory.idle_bytes() <= most


@pytest.fixture
def kept(monkeypatch):
    """Weak references to what forward passes keep."""
    forward, found = engine.BlockedEngine.forward, []

    def watch(*args):
        out, some = forward(*args)
        found.extend(map(weakref.ref, some))
        return out, some

    monkeypatch.setattr(engine.BlockedEngine, "forward", watch)
    return found


def in_use(kept):
    gc.collect()
    return sum(ref() is not None for ref in kept)


def test_a_checkpoint_frees_what_is_kept(kept):
    conv = RNConv(4, 64, 64, num_layers=3, backend="blocked")
    x = torch.randn(30, 4, requires_grad=True)
    out = conv(x)
    assert len(kept) == in_use(kept) == 2
    (expected,) = torch.autograd.grad(out.sum(), x)
    assert in_use(kept) == 0
    idle = memory.idle_bytes()
    kept.clear()
    out = checkpoint(conv, x, use_reentrant=False)
    assert len(kept) == 2
    assert in_use(kept) == 0
    assert memory.idle_bytes() == idle  # nothing is held
    torch.testing.assert_close(torch.autograd.grad(out.sum(), x)[0], expected)


def test_what_is_kept_goes_with_the_graph(kept):
    conv = RNConv(4, 64, 64, num_layers=3, backend="blocked")
    idle = []
    for _ in range(3):
        out = conv(torch.randn(30, 4))
        assert len(kept) == in_use(kept) == 2
        out.sum().backward()  # which frees, though `out` is there
        assert in_use(kept) == 0
        kept.clear()
        idle.append(memory.idle_bytes())
    assert idle[0] >= 2 * 30 * 30 * 64 * 4
    assert idle[2] == idle[1] == idle[0]  # each step takes the same


@pytest.mark.parametrize("keep_bytes", [0, None])
def test_two_backward_passes_of_one_graph(keep_bytes):
    conv = RNConv(4, 64, 64, backend="blocked", keep_bytes=keep_bytes)
    x = torch.randn(30, 4, requires_grad=True)
    out = conv(x).pow(2).sum()
    inputs = [x, *conv.parameters()]
    first = torch.autograd.grad(out, inputs, retain_graph=True)
    conv(2 * x).sum().backward()  # takes what it can
    second = torch.autograd.grad(out, inputs)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_inference_and_then_training():
    conv = RNConv(4, 64, 64, backend="blocked")
    x = torch.randn(40, 4)
    with torch.inference_mode():
        expected = conv(x)
    assert memory.idle_bytes() > 0
    nodes = x.clone().requires_grad_()
    out = conv(nodes)
    out.sum().backward()
    torch.testing.assert_close(out, expected.clone())
    conv.backend = "reference"
    other = x.clone().requires_grad_()
    conv(other).sum().backward()
    torch.testing.assert_close(nodes.grad, other.grad, rtol=1e-4, atol=1e-4)
