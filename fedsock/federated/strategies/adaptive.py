"""What FedAdagrad, FedAdam and FedYogi share: a step scaled by a second moment of the workers' mean change."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from fedsock.federated.strategies.base import ServerOptimizer, fraction_below_one, positive
from fedsock.typing import Array


def adaptive_step(change: Array, m: Array, v: Array, learning_rate: float, tau: float) -> Array:
    """Return eta m / (sqrt(v) + tau).

    Args:
        change: only for its shape; the step has it.
        m: first moment.
        v: second moment, 0 or more.
        learning_rate: eta.
        tau: degree of adaptivity, above 0.

    Source: Reddi et al., "Adaptive federated optimization" (2021), algorithm 2; without bias correction, as there.
    """
    return np.reshape(learning_rate * m / (np.sqrt(v) + tau), change.shape)


class Adaptive(ServerOptimizer):
    """A strategy of algorithm 2; v begins with tau squared.

    Args:
        learning_rate: eta.
        beta1: how much of the first moment stays.
        tau: degree of adaptivity.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``adaptive_step``.
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.1,
        beta1: float = 0.0,
        tau: float = 1e-3,
        fraction: float = 1.0,
        min_workers: int = 1,
    ) -> None:
        super().__init__(learning_rate=learning_rate, fraction=fraction, min_workers=min_workers)
        self.beta1 = fraction_below_one("beta1", beta1)
        self.tau = positive("tau", tau)

    def step(self, change: list[Array]) -> list[Array]:
        """Return the scaled step.

        Args:
            change: of each parameter.
        """
        m = [
            self.beta1 * old + (1 - self.beta1) * new
            for old, new in zip(self.moments("m", change), change, strict=True)
        ]
        v = list(map(self.second_moment, change, self.moments("v", change, self.tau**2)))
        self.remember(m=m, v=v)
        return [
            adaptive_step(part, first, second, self.learning_rate, self.tau)
            for part, first, second in zip(change, m, v, strict=True)
        ]

    @abstractmethod
    def second_moment(self, change: Array, v: Array) -> Array:
        """Return the next second moment.

        Args:
            change: of one parameter.
            v: the last one.
        """


class Decaying(Adaptive):
    """A strategy of algorithm 2 whose second moment forgets.

    Args:
        learning_rate: eta.
        beta1: how much of the first moment stays.
        beta2: how much of the second one stays.
        tau: degree of adaptivity.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``adaptive_step``.
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.99,
        tau: float = 1e-3,
        fraction: float = 1.0,
        min_workers: int = 1,
    ) -> None:
        super().__init__(learning_rate=learning_rate, beta1=beta1, tau=tau, fraction=fraction, min_workers=min_workers)
        self.beta2 = fraction_below_one("beta2", beta2)
