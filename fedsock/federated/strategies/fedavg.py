"""FedAvg: the mean of the workers' parameters, weighted by their rows."""

from __future__ import annotations

from fedsock.federated.strategies.base import Sampled, Updates
from fedsock.typing import Tree


class FedAvg(Sampled):
    """Federated averaging.

    Args:
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data" (2017),
        algorithm 1.
    """

    needs_all = False

    def aggregate(self, updates: Updates) -> Tree:
        """Return the weighted mean.

        Args:
            updates: of which the mean is used.
        """
        return updates.mean
