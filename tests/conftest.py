"""The hypothesis profiles of all tests (asyncio's debug mode is switched on in pyproject.toml)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Deadlines and the health check for slow data measure the machine, and this suite runs on loaded small ones.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _CALM, max_examples=100)
settings.register_profile("ci", _CALM, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", _CALM, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))
