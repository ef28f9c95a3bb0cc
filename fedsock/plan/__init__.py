"""Plans: programs of ops that travel as data and can be read (floor 5).

``trace`` records numpy code on tracers, ``steps`` holds the result and its JSON, ``replay`` runs it, ``show`` prints
it. Imports errors, protocol, ops and expression: a plan knows no worker, session or socket.
"""

from __future__ import annotations

from fedsock.plan.differentiate import grad, value_and_grad
from fedsock.plan.program import Program, plan
from fedsock.plan.steps import Plan

__all__ = ["Plan", "Program", "grad", "plan", "value_and_grad"]
