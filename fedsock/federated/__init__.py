"""Many owners' data as one: arrays whose rows live at several workers, and models fitted to them (floor 8).

Stands on ``fedsock.session``: all that it does it does with pointers, and each worker decides on what leaves. Imports
lower floors only, neither worker nor hub.
"""

from __future__ import annotations

from fedsock.federated import partition
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.glm import Model, NotConverged, Separated, glm
from fedsock.federated.local import LocalSGD
from fedsock.federated.parts import Result
from fedsock.federated.plans import run
from fedsock.federated.result import FitResult, Round
from fedsock.federated.stopping import EarlyStop
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
from fedsock.federated.trainers import Job, PointerReply, Reply, Trainer

__all__ = [
    "EarlyStop",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedMedian",
    "FedProx",
    "FedTrimmedAvg",
    "FedYogi",
    "FederatedArray",
    "FitResult",
    "Job",
    "LocalSGD",
    "Model",
    "NotConverged",
    "PointerReply",
    "Reply",
    "Result",
    "Round",
    "Separated",
    "Strategy",
    "Trainer",
    "glm",
    "partition",
    "run",
]
