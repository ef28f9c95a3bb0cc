"""Torch at the owner's: grace's worker runs a task of hers on digits that never leave her, and streams how it goes.

python examples/09_torch_task.py
"""

import asyncio
import importlib.util
import sys
import tempfile
from pathlib import Path

import fedsock

ROOT = Path(__file__).resolve().parents[1]


async def study(grace) -> None:
    for name, about in grace.tasks.items():
        print(f"grace offers {name}: {about}")
    terms = (await grace.policy("digits/pixels")).train
    print(f"of what it makes leaves: {terms['tasks']}, {terms['rounds_left']['task train']} results are left for us")

    # The call returns at once; what the task yields comes while it runs, its result behind that.
    first = grace.task("train", epochs=5)
    async for metrics in first:
        print(f"epoch {metrics['epoch']}: loss {metrics['loss']:.3f}, accuracy {metrics['accuracy']:.3f}")
    made = await first
    print(f"after {made['n']} images: {', '.join(f'{name} {array.shape}' for name, array in made['params'].items())}")

    # Another round goes on where this one stopped; parameters are a dict of arrays.
    second = await grace.task("train", made["params"], epochs=5, seed=1)
    print(f"a second round: accuracy {second['metrics']['accuracy']:.3f}")
    assert second["metrics"]["accuracy"] > 0.9

    try:
        await grace.datasets["digits/pixels"]
    except fedsock.errors.ExportDenied as error:
        print("her digits  ExportDenied:", error)


async def main() -> None:
    if importlib.util.find_spec("torch") is None:
        print("this example needs torch: pip install torch")
        print("(workers/sklearn_task.py is such a task for scikit-learn, in workers/frank.toml)")
        return
    with tempfile.TemporaryDirectory() as state:  # in earnest the owner keeps it: it remembers how many results left
        async with fedsock.Hub(port=0) as hub:
            command = ["-m", "fedsock.worker", "--config", str(ROOT / "workers/grace.toml"), "--hub", hub.url]
            worker = await asyncio.create_subprocess_exec(sys.executable, *command, "--state", state)
            try:
                await study(await hub.worker("grace", timeout=120))
            finally:
                if worker.returncode is None:
                    worker.terminate()
                print("the worker ended with code", await worker.wait())


if __name__ == "__main__":
    asyncio.run(main())
