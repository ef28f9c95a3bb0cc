"""FedMedian: the median of each coordinate."""

from __future__ import annotations

import numpy as np

from fedsock.federated.strategies.base import Robust
from fedsock.typing import Array


class FedMedian(Robust):
    """The workers' coordinate-wise median, unweighted: fewer than half of them can't move it far.

    Args:
        fraction: C, of the workers that are there.
        min_workers: updates below which a round doesn't count.

    Source: Yin et al., "Byzantine-robust distributed learning: towards optimal statistical rates" (2018), definition 1.
    """

    def combine(self, stacked: Array) -> Array:
        """Return the median over workers; of an even number, the mean of the middle two.

        Args:
            stacked: (workers, …) float64.
        """
        return np.asarray(np.median(stacked, axis=0))
