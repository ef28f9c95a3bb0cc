"""A plan: numpy code that is recorded once, read by the owner, and run at her worker in one trip.

python examples/06_plan.py
"""

import asyncio

import numpy as np

import fedsock


@fedsock.plan
def logistic(weights, x, y):
    """Return the loss of a logistic regression, and how many are told right."""
    z = x @ weights
    loss = (np.logaddexp(0, z) - y * z).mean()
    return loss, ((z > 0) == (y > 0)).mean()


@fedsock.plan
def step(weights, x, y, rate=1.0):
    """Return the weights after one step of gradient descent."""
    rows = x.shape[0]  # recorded, so the plan serves any number of rows
    slopes = x.T @ (1 / (1 + np.exp(-(x @ weights))) - y) / rows
    return weights - rate * slopes


def made_up(rows: int) -> dict[str, np.ndarray]:
    """Return patients that nobody has: three measurements each, and whether they came back."""
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 3))
    return {"x": x, "y": (x @ [2.0, -1.0, 0.5] + rng.normal(size=rows) > 0).astype(float)}


async def main() -> None:
    # Recorded and tried here, on made-up data; the numbers are those of the plain code.
    here = made_up(50)
    weights = np.zeros(3)
    for _ in range(20):
        weights = step(weights, here["x"], here["y"])
    loss, right = logistic(weights, here["x"], here["y"])
    print(f"here, on made-up data: loss {loss:.3f}, {right:.0%} right")

    # What the owner reads before she says yes: every op, no code. The digest stands for exactly this.
    print(step)

    policy = {"train": {"plans": [step.digest, logistic.digest], "min_rows": 100}}
    async with fedsock.Hub(port=0) as hub:
        erin = await hub.virtual_worker("erin", data=made_up(900), policy=policy)
        x, y = erin.datasets["x"], erin.datasets["y"]
        weights = np.zeros(3)
        for _ in range(20):
            weights = await erin.run(step, weights, x, y)
        loss, right = await erin.run(logistic, weights, x, y)
        print(f"at erin, on her {x.shape[0]} patients: loss {loss:.3f}, {right:.0%} right, weights {weights.round(1)}")
        assert right > 0.8

        @fedsock.plan
        def another(x):
            return x.mean(axis=0)

        for what, asked in {"her data": x, "another plan": erin.run(another, x)}.items():
            try:
                await asked
            except fedsock.errors.ExportDenied as error:
                print(f"{what}  ExportDenied: {error}")
            else:
                raise AssertionError("private data left erin")

        # Code that needs values while it is recorded can't become a plan, and says what to write.
        @fedsock.plan
        def branching(x):
            return x if x.sum() > 0 else -x

        try:
            branching.trace(x)
        except fedsock.errors.NotTraceable as error:
            print("NotTraceable:", error)


if __name__ == "__main__":
    asyncio.run(main())
