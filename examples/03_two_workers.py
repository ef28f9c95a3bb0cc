"""Statistics over the digits of bob and of alice, two worker processes; their images are never put together.

python examples/03_two_workers.py
"""

import asyncio
import sys
from pathlib import Path

import numpy as np

import fedsock

ROOT = Path(__file__).resolve().parents[1]


async def study(bob, alice) -> None:
    # One expression, run at both; each answers with a small summary of its own images.
    pixels = fedsock.combine(bob.datasets["digits/pixels"], alice.datasets["digits/pixels"])
    labels = fedsock.combine(bob.datasets["digits/labels"], alice.datasets["digits/labels"])

    print("mean brightness at each:", {name: round(float(mean), 3) for name, mean in (await pixels.mean()).items()})
    n = bob.datasets["digits/pixels"].size + alice.datasets["digits/pixels"].size
    # Sums add up over workers; means of unequal halves would not.
    wide = pixels.astype("float64")
    total, squares = await asyncio.gather(wide.sum().sum_over(), (wide * wide).sum().sum_over())
    mean = total / n
    print(f"over both: {n // 64} images, mean {mean:.4f}, standard deviation {np.sqrt(squares / n - mean**2):.4f}")

    counts = await np.bincount(labels, minlength=10).sum_over()
    print("images of each digit:", dict(enumerate(counts.tolist())))
    assert counts.sum() == n // 64 == 1_797

    # Bob's mean images, sent to alice by bob, tell alice's digits.
    train, known = bob.datasets["digits/pixels"], bob.datasets["digits/labels"]
    means = np.stack([train[known == digit].mean(axis=0) for digit in range(10)]).copy(alice)
    test, truth = alice.datasets["digits/pixels"], alice.datasets["digits/labels"]
    guesses = ((test[:, None, :] - means) ** 2).sum(axis=2).argmin(axis=1)
    print(f"bob's mean images tell {await (guesses == truth).mean():.1%} of alice's digits right")

    visits = fedsock.combine(bob.datasets["visits"], alice.datasets["visits"])
    try:
        await visits.mean()
    except* fedsock.errors.ExportDenied as group:
        for error in group.exceptions:
            print("ExportDenied:", error)
    else:
        raise AssertionError("private data left")


async def main() -> None:
    async with fedsock.Hub(port=0) as hub:
        workers = []
        try:
            for name in ("bob", "alice"):
                command = ["-m", "fedsock.worker", "--config", str(ROOT / f"workers/{name}.toml"), "--hub", hub.url]
                workers.append(await asyncio.create_subprocess_exec(sys.executable, *command))
            await hub.wait_for_workers(2, timeout=60)
            await study(hub.workers["bob"], hub.workers["alice"])
        finally:
            for worker in workers:
                if worker.returncode is None:
                    worker.terminate()
            print("the workers ended with codes", [await worker.wait() for worker in workers])


if __name__ == "__main__":
    asyncio.run(main())
