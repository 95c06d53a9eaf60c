"""The optimisers that a training may choose from."""

from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from experiments.config import TrainConfig
from rn_graph.models.base import SceneModel

#: AdamW's learning rate beside Muon's: an update of Muon has a singular value
#: of 1 in every direction, one of AdamW an entry of about 1 in every place.
ADAMW_SHARE = 1 / 20


class MuonWithAdamW(Optimizer):
    """Muon for the matrices of hidden layers, AdamW for everything else.

    `Muon <https://kellerjordan.github.io/posts/muon/>`_ (Jordan et al. 2024)
    takes the momentum's nearest orthogonal matrix as the update. It is meant
    for hidden layers: embeddings, biases and the last layer are AdamW's.

    Args:
        model: The model.
        lr: Muon's learning rate; AdamW's is a twentieth.
        weight_decay: Of both.
    """

    def __init__(
        self, model: nn.Module, lr: float, weight_decay: float
    ) -> None:
        hidden = hidden_matrices(model)
        chosen = {id(p) for p in hidden}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        self.parts: dict[str, Optimizer] = {
            "muon": Muon(hidden, lr=lr, weight_decay=weight_decay),
            "adamw": AdamW(
                rest, lr=lr * ADAMW_SHARE, weight_decay=weight_decay
            ),
        }
        groups = [g for part in self.parts.values() for g in part.param_groups]
        super().__init__(groups, {})
        self._share_groups()

    def _share_groups(self) -> None:
        # A scheduler changes the rates of these groups, and so of the parts'.
        self.param_groups = [
            group for part in self.parts.values() for group in part.param_groups
        ]

    def step(self, closure: Any = None) -> Any:
        """Run both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts.values():
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take both states over."""
        for name, part in self.parts.items():
            part.load_state_dict(state_dict[name])
        self._share_groups()


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights of hidden layers: neither embeddings nor the readout's last."""
    other = {
        id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)
    }
    for module in model.modules():
        if isinstance(module, SceneModel):
            last = [p for p in module.readout.parameters() if p.dim() == 2][-1]
            other.add(id(last))
    return [
        p for p in model.parameters() if p.dim() == 2 and id(p) not in other
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> Optimizer:
    """The optimiser of a training.

    Args:
        model: The model.
        config: ``optimizer``, ``learning_rate`` and ``weight_decay``.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        return MuonWithAdamW(model, rate, decay)
    return AdamW(model.parameters(), lr=rate, weight_decay=decay)
