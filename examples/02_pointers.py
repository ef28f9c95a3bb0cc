"""A tour of pointers, on two virtual workers: the same engine and the same bytes as a worker process, without one.

python examples/02_pointers.py
"""

import asyncio

import numpy as np

import fedsock
from fedsock import errors


async def expressions(bob) -> None:
    print("== operators, numpy functions, methods")
    x = bob.send(np.array([1.0, 2.0, 3.0]), tags=["#demo"], description="three numbers")
    print("x is", x)
    print("2 * x + 1         ", await (2 * x + 1))
    print("x @ x             ", await (x @ x))
    print("np.sqrt(x)        ", await np.sqrt(x))
    print("np.where(x > 1, …)", await np.where(x > 1, x, 0))
    print("x.reshape(3, 1).T ", await x.reshape(3, 1).T)
    parts, rest = np.divmod(x, 2)  # several results: several pointers
    print("np.divmod(x, 2)   ", await parts, await rest)
    print("np.linalg.norm(x) ", await np.linalg.norm(x))
    eye = bob.np.eye(2)  # made at bob; nothing is sent
    print("bob.np.eye(2)     ", (await eye).tolist())
    rng = bob.np.random.default_rng(7)
    print("rng.normal(size=2)", await rng.normal(size=2))

    print("== indexing and assignment")
    print("x[0], x[1:], x[x > 1]:", await asyncio.gather(x[0].get(), x[1:].get(), x[x > 1].get()))
    y = x.copy()
    y[0] = 10.0  # a new value; y is rebound to it, x keeps its own
    y += 1
    print("y", await y, "x", await x)
    y[7] = 0.0
    try:
        await y
    except IndexError as error:
        print("y[7] = 0.0:", error)
    y.recover()  # back to the value before
    print("recovered:", await y)

    print("== what is known here")
    z = (x + x).sum()
    try:
        print(z.shape)
    except errors.MetadataNotReady as error:
        print("MetadataNotReady:", error)
    await z.wait()  # executed there; no data moves
    print("z.shape, z.dtype, z.nbytes:", z.shape, z.dtype, z.nbytes)


async def places(hub, bob, alice) -> None:
    print("== from worker to worker")
    x = bob.send(np.arange(4.0), tags=["#demo"])
    at_alice = x.copy(alice)  # goes through the hub, not through this session
    print("copied to", at_alice.location.name, await (at_alice + 1))
    moved = (x * 10).move(alice)
    print("moved to", moved.location.name, await moved)

    print("== a pointer to a pointer")
    nested = x.send(alice)  # alice holds it; the array stays at bob
    print(nested)
    print("get gives the pointer back:", await nested.get() is x)
    doubled = await (nested * 2).get()  # ran at bob
    print("nested * 2 is at", doubled.location.name, await doubled)

    print("== many places at once")
    both = hub.send(np.array([1.0, 2.0]), bob, alice)
    print(await (both * 2))
    print("sum over both:", await both.sum_over(), "mean over", await fedsock.combine(x.sum(), moved.sum()).mean_over())

    print("== search")
    for worker, found in (await hub.search("#demo")).items():
        print(worker, found)
    print("bob's objects of ours:", len(await bob.objects()))


async def refusals(bob, alice) -> None:
    print("== errors")
    x, y = bob.send(np.ones(3)), alice.send(np.ones(3))
    for text, attempt in {
        "x + y": lambda: x + y,
        "if x:": lambda: bool(x),
        "float(x)": lambda: float(x),
        "x.sort()": lambda: x.sort(),
        "visits[0] = 1": lambda: bob.datasets["visits"].__setitem__(0, 1),
    }.items():
        try:
            attempt()
        except errors.FedsockError as error:
            print(f"{text}  {type(error).__name__}: {error}")
        else:
            raise AssertionError(f"{text} was not refused")

    total = (x + np.ones(2)).sum() * 2  # fails at bob, at the first step
    try:
        await total
    except ValueError as error:  # numpy's class, and an OpFailed
        print(f"{type(error).__name__}: {error}")
        print("  because of:", error.__cause__)
    try:
        await (bob.datasets["visits"] + 1)
    except errors.ExportDenied as error:
        print("ExportDenied:", error)
    x.release()
    try:
        await (x + 1)
    except errors.PointerReleased as error:
        print("PointerReleased:", error)


async def main() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"visits": np.array([31.0, 12.0, 45.0])})
        alice = await hub.virtual_worker("alice")
        await expressions(bob)
        await places(hub, bob, alice)
        await refusals(bob, alice)
        print("failures listed:", len(hub.failures))


if __name__ == "__main__":
    asyncio.run(main())
