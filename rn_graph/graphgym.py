"""RNConv in GraphGym: importing this module registers the layer ``rnconv``.

.. code-block:: yaml

    gnn:
      layer_type: rnconv
    rn:
      question_channels: 128  # data.question [Q, 128], one a graph

Needs ``yacs``, as GraphGym does.
"""

from typing import Any

from torch import Tensor, nn
from torch_geometric.graphgym.config import cfg
from torch_geometric.graphgym.models.layer import LayerConfig
from torch_geometric.graphgym.register import register_config, register_layer
from yacs.config import CfgNode

from rn_graph.conv import RNConv


@register_config("rn")
def set_cfg_rn(cfg: CfgNode) -> None:
    """Add the options of the layer to GraphGym's configuration.

    ========================= ==============================================
    ``rn.g_channels``         Width of g's hidden layers.
    ``rn.g_layers``           Number of g's layers.
    ``rn.question_channels``  Width of ``batch.question``; 0: no question.
    ``rn.all_pairs``          Whether to sum all pairs of each graph in place
                              of ``batch.edge_index``.
    ``rn.aggr``               ``"sum"`` or ``"mean"``.
    ========================= ==============================================
    """
    cfg.rn = CfgNode(
        {
            "g_channels": 256,
            "g_layers": 4,
            "question_channels": 0,
            "all_pairs": False,
            "aggr": "sum",
        }
    )


if "rn" not in cfg:
    set_cfg_rn(cfg)


@register_layer("rnconv")
class RNConvLayer(nn.Module):
    """GraphGym's wrapper of :class:`~rn_graph.RNConv`.

    Args:
        layer_config: Widths; GraphGym's own norm and activation follow, so
            g's last layer is plain.
    """

    def __init__(self, layer_config: LayerConfig, **kwargs: Any) -> None:
        super().__init__()
        self.all_pairs = cfg.rn.all_pairs
        self.model = RNConv(
            layer_config.dim_in,
            layer_config.dim_out,
            hidden_channels=cfg.rn.g_channels,
            num_layers=cfg.rn.g_layers,
            question_channels=cfg.rn.question_channels or None,
            aggr=cfg.rn.aggr,
            plain_last=True,
        )

    def forward(self, batch: Any) -> Any:
        """Run the layer on ``batch.x``, with ``batch.question`` if asked."""
        question: Tensor | None = None
        if self.model.question_channels is not None:
            question = batch.question
        edge_index = None if self.all_pairs else batch.edge_index
        batch.x = self.model(batch.x, edge_index, question, batch.batch)
        return batch
