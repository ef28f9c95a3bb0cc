"""FedAvgM: FedAvg with momentum at the session."""

from __future__ import annotations

from fedsock.federated.strategies.base import ServerOptimizer, fraction_below_one
from fedsock.typing import Array


def momentum_step(change: Array, velocity: Array, momentum: float, learning_rate: float) -> tuple[Array, Array]:
    """Return (step, velocity): v <- beta v + change, step = eta v.

    Args:
        change: the workers' mean minus what they began with.
        velocity: of the last round; 0 at first.
        momentum: beta.
        learning_rate: eta.

    Source: Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
        classification" (2019), section 4.3; the change is minus their pseudo-gradient.
    """
    velocity = momentum * velocity + change
    return learning_rate * velocity, velocity


class FedAvgM(ServerOptimizer):
    """Federated averaging with server momentum.

    Args:
        momentum: beta.
        learning_rate: eta; with 1 and no momentum it is FedAvg.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: as ``momentum_step``.
    """

    def __init__(
        self, *, momentum: float = 0.9, learning_rate: float = 1.0, fraction: float = 1.0, min_workers: int = 1
    ) -> None:
        super().__init__(learning_rate=learning_rate, fraction=fraction, min_workers=min_workers)
        self.momentum = fraction_below_one("momentum", momentum)

    def step(self, change: list[Array]) -> list[Array]:
        """Return the step with momentum.

        Args:
            change: of each parameter.
        """
        velocity = self.moments("velocity", change)
        made = [momentum_step(*pair, self.momentum, self.learning_rate) for pair in zip(change, velocity, strict=True)]
        self.remember(velocity=[after for _, after in made])
        return [step for step, _ in made]
