"""Benchmarks: fedsock beside what a bare websockets program costs, in one run. ``python -m tests.benchmarks``."""
