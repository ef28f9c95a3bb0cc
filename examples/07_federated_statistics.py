"""Statistics over digits whose rows live at four workers: one array, and each owner's policy lets just this leave.

python examples/07_federated_statistics.py
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np

import fedsock
from fedsock.federated import glm

ROOT = Path(__file__).resolve().parents[1]

POLICY = """
name = "{name}"

[datasets.digits]
file = "{name}.npz"

[datasets.digits.policy]
export = "{export}"  # "aggregate": sums, means, variances, covariances and products over all rows
max_queries = 60

[datasets.digits.policy.group_by]
labels = 10  # and how many images there are of each digit, rounded
"""

# Ink in each eighth of an image, from top to bottom: a public matrix that maps each row of pixels by itself.
BANDS = np.repeat(np.eye(8), 8, axis=0)


async def study(hub) -> None:
    pixels = hub.federated("digits/pixels", on_denied="skip")
    print(pixels)

    # Integers are added up exactly, the rest is within 1e-12 of numpy on all rows put together.
    total = pixels.sum()
    print(f"all ink: {await total}, of {', '.join(total.workers)}; not of {', '.join(total.missing)}:")
    print("   ", total.missing["dave"])

    bands = pixels.astype("float64") @ BANDS  # runs at every worker, nothing leaves
    mean, deviation, correlation = await asyncio.gather(
        bands.mean(axis=0), bands.std(axis=0, ddof=1), np.corrcoef(bands, rowvar=False)
    )
    for at, below in enumerate(np.diagonal(correlation, 1)):
        print(f"band {at}: ink {mean[at]:.1f} ± {deviation[at]:.1f}, correlated {below:+.2f} with the band below")

    counts = await hub.federated("digits/labels", on_denied="skip").bincount(minlength=10)
    print("images of each digit, rounded at each owner:", counts.tolist())

    # Least squares are made of means and covariances, which may leave.
    even = hub.federated("digits/even", on_denied="skip")
    fit = await glm(bands, even, "gaussian")
    print(f"even or not, by ink: {np.round(fit.coef, 4).tolist()} of {fit.n} images at {len(fit.workers)} workers")

    # What needs more says so before anything is sent.
    for name, asked in {"the largest": pixels.max(), "a logistic fit": glm(bands, even, "binomial")}.items():
        try:
            await asked
        except fedsock.errors.ExportDenied as error:
            print(f"{name}  ExportDenied:", error)
        else:
            raise AssertionError("private data left")

    everything = np.vstack([np.load(ROOT / f"workers/data/{name}_digits.npz")["pixels"] for name in ("alice", "bob")])
    here = everything[:1500].astype(float) @ BANDS
    np.testing.assert_allclose(mean, here.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, here.std(axis=0, ddof=1), rtol=1e-12)
    print("the same as of all 1500 images in one place: True")


def owners(folder: Path) -> list[Path]:
    """Give four owners parts of the digits, and configurations; dave lets nothing leave."""
    halves = [np.load(ROOT / f"workers/data/{name}_digits.npz") for name in ("alice", "bob")]
    pixels, labels = (np.concatenate([half[key] for half in halves]) for key in ("pixels", "labels"))
    cuts = {"alice": slice(0, 700), "bob": slice(700, 1100), "carol": slice(1100, 1500), "dave": slice(1500, None)}
    for name, rows in cuts.items():
        even = (labels[rows] % 2 == 0).astype(float)
        np.savez(folder / f"{name}.npz", pixels=pixels[rows], labels=labels[rows], even=even)
        export = "deny" if name == "dave" else "aggregate"
        (folder / f"{name}.toml").write_text(POLICY.format(name=name, export=export), encoding="utf-8")
    return [folder / f"{name}.toml" for name in cuts]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with fedsock.Hub(port=0) as hub:
            workers = []
            try:
                for config in owners(Path(folder)):
                    command = ["-m", "fedsock.worker", "--config", str(config), "--hub", hub.url]
                    workers.append(await asyncio.create_subprocess_exec(sys.executable, *command))
                await hub.wait_for_workers(4, timeout=60)
                await study(hub)
            finally:
                for worker in workers:
                    if worker.returncode is None:
                        worker.terminate()
                print("the workers ended with codes", [await worker.wait() for worker in workers])


if __name__ == "__main__":
    asyncio.run(main())
