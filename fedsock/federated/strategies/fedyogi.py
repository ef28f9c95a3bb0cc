"""FedYogi: a step at the session, scaled by squared changes that are added or taken away by Yogi's rule."""

from __future__ import annotations

import numpy as np

from fedsock.federated.strategies.adaptive import Decaying
from fedsock.typing import Array


def yogi_moment(change: Array, v: Array, beta2: float) -> Array:
    """Return v - (1 - beta2) change squared sign(v - change squared).

    Args:
        change: the workers' mean minus what they began with.
        v: the last second moment.
        beta2: how much of it stays.

    Source: Reddi et al., "Adaptive federated optimization" (2021), algorithm 2.
    """
    square = change**2
    return np.asarray(v - (1 - beta2) * square * np.sign(v - square))


class FedYogi(Decaying):
    """Federated Yogi.

    Args:
        learning_rate: eta.
        beta1: how much of the first moment stays.
        beta2: how much of the second one stays.
        tau: degree of adaptivity.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``yogi_moment``.
    """

    def second_moment(self, change: Array, v: Array) -> Array:
        """Return Yogi's second moment.

        Args:
            change: of one parameter.
            v: the last one.
        """
        return yogi_moment(change, v, self.beta2)
