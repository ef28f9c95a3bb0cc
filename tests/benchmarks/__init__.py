"""Benchmarks: fedsock beside a bare websockets program and beside its peers, in one run.

``python -m tests.benchmarks`` runs each column in a process of its own: fedsock on asyncio's own loop, fedsock on
uvloop, and a column for each peer that is installed. Within a fedsock column the bare program and fedsock take turns,
round by round, so that what else the machine does meets both.
"""
