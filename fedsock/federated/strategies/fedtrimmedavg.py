"""FedTrimmedAvg: the mean of each coordinate without its extremes."""

from __future__ import annotations

import numpy as np

from fedsock.errors import ConfigError
from fedsock.federated.strategies.base import Robust
from fedsock.typing import Array


def trimmed_mean(stacked: Array, f: int) -> Array:
    """Return the mean over the first axis without the f smallest and the f largest values.

    Args:
        stacked: (workers, …), of at least 2f + 1 workers.
        f: how many go at each end.

    Source: Yin et al., "Byzantine-robust distributed learning: towards optimal statistical rates" (2018), definition 2.
    """
    return np.asarray(np.mean(np.sort(stacked, axis=0)[f : len(stacked) - f], axis=0))


class FedTrimmedAvg(Robust):
    """The workers' coordinate-wise trimmed mean, unweighted: up to f of them can't move it far.

    Args:
        f: workers that may be wrong; a round counts from 2f + 1 updates on, after all dropouts.
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count, if that are more.

    Source: as ``trimmed_mean``.
    """

    def __init__(self, *, f: int, fraction: float = 1.0, min_workers: int = 1) -> None:
        if type(f) is not int or f < 0:
            raise ConfigError(f"f={f!r}: expected a whole number, 0 or more")
        super().__init__(fraction=fraction, min_workers=max(min_workers, 2 * f + 1))
        self.f = f

    def combine(self, stacked: Array) -> Array:
        """Return the trimmed mean over workers.

        Args:
            stacked: (workers, …) float64.
        """
        return trimmed_mean(stacked, self.f)
