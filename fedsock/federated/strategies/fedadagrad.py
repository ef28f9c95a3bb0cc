"""FedAdagrad: a step at the session, scaled by the sum of squared changes."""

from __future__ import annotations

import numpy as np

from fedsock.federated.strategies.adaptive import Adaptive
from fedsock.typing import Array


def adagrad_moment(change: Array, v: Array) -> Array:
    """Return v + change squared.

    Args:
        change: the workers' mean minus what they began with.
        v: the last second moment.

    Source: Reddi et al., "Adaptive federated optimization" (2021), algorithm 2.
    """
    return np.asarray(v + change**2)


class FedAdagrad(Adaptive):
    """Federated Adagrad.

    Args:
        learning_rate: eta.
        beta1: 0, as in the paper's experiments.
        tau: degree of adaptivity.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``adagrad_moment``.
    """

    def second_moment(self, change: Array, v: Array) -> Array:
        """Return Adagrad's second moment.

        Args:
            change: of one parameter.
            v: the last one.
        """
        return adagrad_moment(change, v)
