"""Four short walks with bob and alice, as PySyft's first tutorials took them, in fedsock's terms.

python examples/10_bob_walks.py
"""

import asyncio

import numpy as np

import fedsock


@fedsock.plan
def loss(w, x, y):
    """Return the mean squared error of a linear model."""
    return ((x @ w - y) ** 2).mean()


slope = fedsock.grad(loss)

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0.0, 0.0, 1.0, 1.0])  # the first column tells


async def a_remote_gradient(bob) -> None:
    print("1. A gradient at bob")
    x, y = bob.send(X), bob.send(Y)
    w = bob.send(np.zeros(2))
    for _ in range(50):
        w = w - 0.5 * bob.run(slope, w, x, y)  # nothing is fetched on the way: the gradient stays a pointer
    print("   weights", (await w).round(2), "loss", round(float(await bob.run(loss, w, x, y)), 4))


async def rows_at_two(bob, alice) -> None:
    print("2. One linear model, its rows split over bob and alice")
    places = [(bob, bob.send(X[:2]), bob.send(Y[:2])), (alice, alice.send(X[2:]), alice.send(Y[2:]))]
    w = np.zeros(2)
    for _ in range(100):
        slopes = await asyncio.gather(*(worker.run(slope, w, x, y) for worker, x, y in places))
        w = w - 0.4 * sum(slopes) / len(slopes)
    print("   weights", w.round(2))
    assert np.abs(w - [1, 0]).max() < 0.05


async def pointers_to_pointers(bob, alice) -> None:
    print("3. Pointers to pointers, and a move")
    x = bob.send(np.array([1.0, 2.0, 3.0]))
    held = x.send(alice)  # alice holds a pointer to what bob has; ops on it run at bob
    back = await (held * 10).get()
    print("   through alice:", await back, "at", back.location.name)
    moved = x.move(alice)  # from worker to worker, never through here
    print("   moved:", await moved, "at", moved.location.name)
    try:
        await x
    except fedsock.errors.PointerReleased as error:
        print("   PointerReleased:", error)


async def averaged_at_a_third(bob, alice, carol) -> None:
    print("4. Two models trained apart, averaged at carol")
    rng = np.random.default_rng(0)
    models = []
    for worker in (bob, alice):
        x = rng.normal(size=(40, 2))
        own = worker.send(x), worker.send(x @ [3.0, -1.0] + rng.normal(size=40) * 0.1)
        trained = worker.train(loss, np.zeros(2), own, epochs=20, batch_size=10, learning_rate=0.1, seed=1)
        models.append(trained["params"].move(carol))
    average = (models[0] + models[1]) / 2
    print("   at", average.location.name, (await average).round(1))


async def main() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob, alice, carol = [await hub.virtual_worker(name) for name in ("bob", "alice", "carol")]
        await a_remote_gradient(bob)
        await rows_at_two(bob, alice)
        await pointers_to_pointers(bob, alice)
        await averaged_at_a_third(bob, alice, carol)


if __name__ == "__main__":
    asyncio.run(main())
