"""Strategies: who takes part in a round, and how its updates become the next parameters (part of floor 8).

One file a strategy. The mathematics are plain functions on lists of float64 arrays; the class beside them keeps what
must be remembered from round to round.
"""

from __future__ import annotations

from fedsock.federated.strategies.base import Strategy, Updates
from fedsock.federated.strategies.fedadagrad import FedAdagrad
from fedsock.federated.strategies.fedadam import FedAdam
from fedsock.federated.strategies.fedavg import FedAvg
from fedsock.federated.strategies.fedavgm import FedAvgM
from fedsock.federated.strategies.fedmedian import FedMedian
from fedsock.federated.strategies.fedprox import FedProx
from fedsock.federated.strategies.fedtrimmedavg import FedTrimmedAvg
from fedsock.federated.strategies.fedyogi import FedYogi

__all__ = [
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedMedian",
    "FedProx",
    "FedTrimmedAvg",
    "FedYogi",
    "Strategy",
    "Updates",
]
