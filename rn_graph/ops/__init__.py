r"""The sum over pairs, :math:`\sum_j g(o_i, o_j, q)`, as a function.

``pair_sum`` chooses among backends that give the same value and gradients:

============= ==============================================================
``dense``     plain MLPs, a few equal graphs: all pairs at once, autograd
``blocked``   plain MLPs: blocks of pairs, a hand-written backward pass
``rows``      any g (norm, dropout, custom module): blocks of pairs, autograd
``reference`` any g: every pair's rows at once, as the formula says
``triton``    plain MLPs on CUDA, widths of powers of two: fused kernels
============= ==============================================================
"""

from rn_graph.ops.dispatch import BACKENDS, choose, pair_sum, run

__all__ = ["BACKENDS", "choose", "pair_sum", "run"]
