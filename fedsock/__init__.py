"""fedsock: compute on data that stays with its owner, through awaitable pointers (floor 9)."""

from __future__ import annotations

from fedsock import errors
from fedsock.api import Hub, connect
from fedsock.plan import Plan, grad, plan, value_and_grad
from fedsock.session.multi import MultiPointer, combine
from fedsock.session.pointer import Pointer

__version__ = "0.1.0"

__all__ = [
    "Hub", "MultiPointer", "Plan", "Pointer", "combine", "connect", "errors", "grad", "plan", "value_and_grad",
]  # fmt: skip
