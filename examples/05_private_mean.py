"""Means with noise, from a worker process that lets nothing else out, until the owner's budget is spent.

python examples/05_private_mean.py
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import fedsock

ROOT = Path(__file__).resolve().parents[1]


async def study(carol) -> None:
    visits = carol.datasets["visits"]
    terms = await carol.policy("visits")
    print(f"carol's policy is {terms.export}: {terms.rows} rows, epsilon {terms.epsilon_left} is left")

    verdict = await visits.mean().can_export()
    print("the plain mean may leave:", bool(verdict), "· next:", verdict.next_step)

    # Each release is charged; what it gives is open, so looking at it again is free.
    mean = visits.dp_release("mean", epsilon=0.2, bounds=(0, 120))
    assert await mean == await mean
    print(f"a mean for epsilon 0.2: {await mean:.1f} minutes")

    # Whatever keeps rows apart can be released: here, whether a visit took more than half an hour.
    long = (visits > 30).dp_release("count", epsilon=0.2)
    print(f"long visits for epsilon 0.2: about {await long} of {terms.rows}")
    print("left:", (await carol.policy("visits")).epsilon_left)

    try:
        await visits.dp_release("mean", epsilon=0.2, bounds=(0, 120))
    except fedsock.errors.BudgetSpent as error:
        print("BudgetSpent:", error)
    else:
        raise AssertionError("more was released than the budget allows")


async def main() -> None:
    with tempfile.TemporaryDirectory() as state:  # in earnest the owner keeps it: it is what remembers the budget
        async with fedsock.Hub(port=0) as hub:
            command = ["-m", "fedsock.worker", "--config", str(ROOT / "workers/carol.toml"), "--hub", hub.url]
            worker = await asyncio.create_subprocess_exec(sys.executable, *command, "--state", state)
            try:
                await study(await hub.worker("carol", timeout=60))
            finally:
                worker.terminate()
                print("the worker ended with code", await worker.wait())


if __name__ == "__main__":
    asyncio.run(main())
