"""An owner decides: what is refused, made-up data to develop against, aggregates, and a request that is approved.

python examples/04_owner_policy.py
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np

import fedsock

ROOT = Path(__file__).resolve().parents[1]


async def describe(datasets) -> None:
    """What we want to know of the visits: written against the mock, then run on the data."""
    visits = datasets["visits"]
    mean, deviation, lengths = await asyncio.gather(
        visits.mean(), visits.std(), np.histogram(visits, bins=np.array([10.0, 20, 30, 40, 60]))[0]
    )
    print(f"{visits.size} visits, {mean:.1f} ± {deviation:.1f} minutes; 10, 20, 30 and 40 to 60: {lengths.tolist()}")


async def study(dave, owner) -> None:
    # A policy is asked for, and a refusal says which rule it was and what to do instead.
    terms = await dave.policy("visits")
    print(f"dave's policy on visits is {terms.export}: cells {terms.group_by}, counts rounded to {terms.round_to}")
    visits = dave.datasets["visits"]
    for name, value in {"the visits": visits, "one of them": visits[7], "the longest": visits.max()}.items():
        try:
            await value
        except fedsock.errors.ExportDenied as error:
            print(f"{name}  ExportDenied:", error)
        else:
            raise AssertionError("private data left")

    # The mock has the names, shapes and dtypes of the data, and holds nothing private: it can be looked at.
    mock = dave.mock.datasets["visits"]
    print("made up:", np.round(await mock[:3], 2))
    await describe(dave.mock.datasets)
    print("and of the data, by the same lines:")
    await describe(dave.datasets)

    # Of the waits leaves what dave approves: this expression, on these data, for us, once.
    median = np.median(dave.datasets["waits"])
    request = await median.request("to plan how many chairs the waiting room needs")
    await owner("requests")
    await owner("approve", str(request.number))
    await request  # until dave has answered
    print(f"{request.state}: half of them waited less than {await median:.1f} minutes")
    assert request.state == "approved"


async def main() -> None:
    with tempfile.TemporaryDirectory() as state:  # in earnest the owner keeps it: it remembers queries and approvals

        async def owner(*words: str) -> None:
            """What dave does in another terminal."""
            print(f"dave: python -m fedsock.worker {' '.join(words)}", flush=True)
            command = ["-m", "fedsock.worker", *words, "--state", state]
            done = await asyncio.create_subprocess_exec(sys.executable, *command)
            assert await done.wait() == 0

        async with fedsock.Hub(port=0) as hub:
            command = ["-m", "fedsock.worker", "--config", str(ROOT / "workers/dave.toml"), "--hub", hub.url]
            worker = await asyncio.create_subprocess_exec(sys.executable, *command, "--state", state)
            try:
                await study(await hub.worker("dave", timeout=60), owner)
            finally:
                if worker.returncode is None:
                    worker.terminate()
                print("the worker ended with code", await worker.wait())


if __name__ == "__main__":
    asyncio.run(main())
