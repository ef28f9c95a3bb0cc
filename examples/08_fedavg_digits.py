"""Federated averaging: ten workers learn to read digits together, and no image leaves its owner.

python examples/08_fedavg_digits.py [ROUNDS [PLOT.png]]
"""

import asyncio
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

import fedsock
from fedsock.federated import FedAvg, LocalSGD, partition

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 10


def scores(params, x):
    """Return a score for each digit: a network 64-32-10 with ReLU."""
    return np.maximum(x @ params["w1"] + params["b1"], 0) @ params["w2"] + params["b2"]


@fedsock.plan
def loss(params, x, y):
    """Return the mean cross-entropy of the softmax of the scores."""
    z = scores(params, x)
    z = z - z.max(axis=1, keepdims=True)  # so that no exponential overflows
    wanted = y[:, None] == np.arange(10)
    return (np.log(np.exp(z).sum(axis=1)) - (z * wanted).sum(axis=1)).mean()


def digits(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return four fifths of the real digits to learn from, and the rest to test on."""
    halves = [np.load(ROOT / f"workers/data/{name}_digits.npz") for name in ("alice", "bob")]
    pixels, labels = (np.concatenate([half[key] for half in halves]) for key in ("pixels", "labels"))
    x, y = pixels / 16, labels.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(y))
    cut = len(y) * 4 // 5
    train, test = ({"x": x[rows], "y": y[rows]} for rows in (order[:cut], order[cut:]))
    return train, test


def begun(seed: int) -> dict[str, np.ndarray]:
    """Return parameters to begin with."""
    rng = np.random.default_rng(seed)
    w1, w2 = (rng.normal(size=(wide, out)) * np.sqrt(2 / wide) for wide, out in ((64, 32), (32, 10)))
    return {"w1": w1, "b1": np.zeros(32), "w2": w2, "b2": np.zeros(10)}


async def learn(train, test, rows, rounds: int):
    """Give each worker its rows, fit, and return the result."""
    params = begun(0)
    loss.trace(params, train["x"], train["y"])
    # All that an owner allows: training by this loss, whose every op she can read. Nothing else leaves.
    policy = {"train": {"plans": [loss.digest], "min_rows": 1}}

    def evaluate(params):
        return {"accuracy": np.mean(scores(params, test["x"]).argmax(axis=1) == test["y"])}

    async with fedsock.Hub(port=0) as hub:
        workers = await hub.virtual_workers(WORKERS, data=partition.parts(train, rows), policy=policy)
        local = LocalSGD(epochs=5, batch_size=10, learning_rate=0.1)
        fit = hub.fit(
            params, loss, data=("x", "y"), strategy=FedAvg(), local=local, rounds=rounds, evaluate=evaluate, seed=0
        )
        async for one in fit:
            print(f"  round {one.number}: accuracy {one.metrics['accuracy']:.3f}, training loss {one.loss:.3f}")
            assert len(one.workers) == WORKERS, one.dropped
        try:
            await workers[0].datasets["x"]
        except fedsock.errors.ExportDenied as error:
            print("  its images  ExportDenied:", error)
        else:
            raise AssertionError("private data left")
    return fit.result


async def main(rounds: int = 4, picture: str | None = None) -> None:
    train, test = digits(seed=0)
    print(f"{len(train['y'])} images at {WORKERS} workers, {len(test['y'])} to test on")
    ways = {
        "IID": partition.iid(len(train["y"]), WORKERS),
        "two shards each": partition.shards(train["y"], WORKERS, per_worker=2),
    }
    results = {}
    for way, rows in ways.items():
        print(f"{way}:")
        print(partition.picture(train["y"], rows))
        results[way] = await learn(train, test, rows, rounds)
    last = {way: result.rounds[-1].metrics["accuracy"] for way, result in results.items()}
    print(f"IID is above 0.9 after {rounds} rounds: {last['IID'] > 0.9}")
    assert last["IID"] > 0.9, last

    if importlib.util.find_spec("matplotlib"):
        path = Path(picture or Path(tempfile.mkdtemp()) / "fedavg.png")
        results["IID"].plot().savefig(path)
        print("plot of the IID fit:", path)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:2]), *sys.argv[2:3]))
