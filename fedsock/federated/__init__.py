"""Many owners' data as one: arrays whose rows live at several workers, and models fitted to them (floor 8).

Stands on ``fedsock.session``: all that it does it does with pointers, and each worker decides on what leaves. Imports
lower floors only, neither worker nor hub.
"""

from __future__ import annotations

from fedsock.federated.arrays import FederatedArray
from fedsock.federated.glm import Model, NotConverged, Separated, glm
from fedsock.federated.parts import Result
from fedsock.federated.plans import run

__all__ = ["FederatedArray", "Model", "NotConverged", "Result", "Separated", "glm", "run"]
