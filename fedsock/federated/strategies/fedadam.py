"""FedAdam: a step at the session, scaled by a moving mean of squared changes."""

from __future__ import annotations

from fedsock.federated.strategies.adaptive import Decaying
from fedsock.typing import Array


def adam_moment(change: Array, v: Array, beta2: float) -> Array:
    """Return beta2 v + (1 - beta2) change squared.

    Args:
        change: the workers' mean minus what they began with.
        v: the last second moment.
        beta2: how much of it stays.

    Source: Reddi et al., "Adaptive federated optimization" (2021), algorithm 2.
    """
    return beta2 * v + (1 - beta2) * change**2


class FedAdam(Decaying):
    """Federated Adam.

    Args:
        learning_rate: eta.
        beta1: how much of the first moment stays.
        beta2: how much of the second one stays.
        tau: degree of adaptivity.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``adam_moment``.
    """

    def second_moment(self, change: Array, v: Array) -> Array:
        """Return Adam's second moment.

        Args:
            change: of one parameter.
            v: the last one.
        """
        return adam_moment(change, v, self.beta2)
