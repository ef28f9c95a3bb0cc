"""Many owners' data as one: arrays whose rows live at several workers, and models fitted to them (floor 8).

Stands on ``fedsock.session``: all that it does it does with pointers, and each worker decides on what leaves. Imports
lower floors only, neither worker nor hub.
"""

from __future__ import annotations

from fedsock.federated import partition
from fedsock.federated.local import LocalSGD
from fedsock.federated.strategies import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Strategy,
)

__all__ = [
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedMedian",
    "FedProx",
    "FedTrimmedAvg",
    "FedYogi",
    "LocalSGD",
    "Strategy",
    "partition",
]
