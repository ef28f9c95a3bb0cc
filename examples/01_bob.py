"""Compute on bob's handwritten digits, where they are: at bob's worker, a process of its own.

python examples/01_bob.py
"""

import asyncio
import sys
from pathlib import Path

import numpy as np

import fedsock

ROOT = Path(__file__).resolve().parents[1]
SHADES = " .:-=+*#%@"


def drawn(image: np.ndarray) -> str:
    """Return an 8x8 image of 0 to 16 as text."""
    return "\n".join("    " + "".join(SHADES[int(v * 9 / 16)] * 2 for v in row) for row in image.reshape(8, 8))


async def study(bob) -> None:
    # Pointers: they stand for arrays that stay at bob.
    pixels, labels = bob.datasets["digits/pixels"], bob.datasets["digits/labels"]
    print(f"bob has {pixels.shape[0]} images of {pixels.shape[1]} pixels: {pixels!r}")

    # Every expression runs at bob; `await` brings home what it gives, and only that.
    zero = await pixels[labels == 0].mean(axis=0)
    print("the mean of bob's zeros:")
    print(drawn(zero))
    counts = await np.bincount(labels)
    print("images of each digit:", dict(enumerate(counts.tolist())))
    assert counts.sum() == pixels.shape[0]

    # Learn ten mean images from 600 of them and tell the others by the nearest mean. Nothing below waits for bob
    # before the last line: the requests travel together.
    train, known = pixels[:600], labels[:600]
    test, truth = pixels[600:], labels[600:]
    means = np.stack([train[known == digit].mean(axis=0) for digit in range(10)])
    distances = ((test[:, None, :] - means) ** 2).sum(axis=2)
    guesses = distances.argmin(axis=1)
    accuracy = await (guesses == truth).mean()
    print(f"nearest mean image: {accuracy:.1%} of the other {pixels.shape[0] - 600} told right")
    assert accuracy > 0.8

    # The visits are private: bob computes on them for us, but neither they nor what derives from them leaves.
    average = bob.datasets["visits"].mean()
    await average.wait()
    print("the mean of bob's visits is computed, at bob:", average)
    try:
        await average
    except fedsock.errors.ExportDenied as error:
        print("ExportDenied:", error)
    else:
        raise AssertionError("private data left bob")


async def main() -> None:
    async with fedsock.Hub(port=0) as hub:  # port=0: any free port
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fedsock.worker", "--config", str(ROOT / "workers/bob.toml"), "--hub", hub.url
        )
        try:
            await study(await hub.worker("bob", timeout=60))
        finally:
            if worker.returncode is None:
                worker.terminate()
            print("bob's worker ended with code", await worker.wait())


if __name__ == "__main__":
    asyncio.run(main())
