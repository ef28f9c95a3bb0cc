"""FedProx: FedAvg whose workers are held near the parameters that they began with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsock.federated.strategies.base import positive
from fedsock.federated.strategies.fedavg import FedAvg


class FedProx(FedAvg):
    """Federated averaging with a proximal term in the workers' loss: mu / 2 times the squared distance.

    Args:
        mu: its weight; 0 would be FedAvg.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: Li et al., "Federated optimization in heterogeneous networks" (2020), algorithm 2.
    """

    def __init__(self, *, mu: float, fraction: float = 1.0, min_workers: int = 1) -> None:
        super().__init__(fraction=fraction, min_workers=min_workers)
        self.mu = positive("mu", mu)

    def local(self) -> Mapping[str, Any]:
        """Return the proximal term's weight for the workers' training."""
        return {"proximal": self.mu}
