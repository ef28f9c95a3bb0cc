"""As ``test_noninterference``, of graphs that hold plans, gradients, trainings and tasks: nothing of them is allowed.

Plans are random ones: most steps succeed on some values of their registers' shapes, some on none. Where policies list
plans and tasks, they are others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from fedsock.errors import FedsockError
from fedsock.ops import TABLE, Row, check, flatten
from fedsock.plan.numbers import ARITIES, NUMBERS, OPERATIONS, SIZE
from fedsock.protocol import messages as m
from fedsock.protocol.values import Reference, to_json
from fedsock.worker import plans, training
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.exports import Exports
from fedsock.worker.jobs import Send, SendValue
from fedsock.worker.policies import policy_of_virtual
from fedsock.worker.tasks import tasks_of_virtual
from tests.attacks.programs import at, body, step
from tests.attacks.test_noninterference import DRAWN, World, told
from tests.ops.calls import Drawer, Slot
from tests.worker.driver import PEER

GRAPHS = int(os.environ.get("FEDSOCK_GRAPHS", "10000")) // 5
OPS = 5
STEPS = 4
PARTS = 8
"""Tests that share the graphs between them."""

SIZED = ["repeat", "tile", "zeros", "full", "eye", "reshape", "pad", "take", "getitem", "roll", "broadcast_to"]
"""Ops whose sizes and success follow from numbers that they are given."""

SMOOTH = sorted(
    name
    for name, row in TABLE.items()
    if row.gradient is not None and len([p for p in row.parameters if p.default is None]) == 1 and row.results == 1
)
"""Ops of one array that have a gradient."""

POLICIES: dict[str, Any] = {
    "deny": "deny",
    "others": {"train": {"plans": ["sha256:" + "0" * 64], "tasks": ["another"], "min_rows": 1, "rounds": 3}},
}


def chosen(data: Any, *args: Any, **kwargs: Any) -> Any:
    return [array[np.isfinite(array)] for array in data.values() if array.dtype.kind == "f"]


def failing(data: Any, *args: Any, **kwargs: Any) -> Any:
    return [1 // int(array.ravel()[0]) for array in data.values() if array.size and array.dtype.kind in "iub"]


def stream(data: Any, *args: Any, **kwargs: Any) -> Any:
    for array in data.values():
        yield from array[array > 0].ravel().tolist() if array.dtype.kind in "iuf" else ()


TASKS = {"chosen": chosen, "failing": failing, "stream": stream}


class Author:
    """Writes plans.

    Args:
        rng: of everything drawn.
        leaves: values like the inputs.
    """

    def __init__(self, rng: np.random.Generator, leaves: Sequence[Any]) -> None:
        self.rng = rng
        self.inputs = [_spec(place, leaf) for place, leaf in enumerate(leaves)]
        self.values: list[Any] = list(leaves)
        self.steps: list[Any] = []

    def plan(self) -> str:
        for _ in range(self.rng.integers(1, STEPS + 1)):
            self._one()
        last = [at(int(one)) for one in self.rng.integers(len(self.values), size=self.rng.integers(1, 3))]
        numbers = [place for place, value in enumerate(self.values) if type(value) in NUMBERS]
        if self.rng.random() < 0.7:
            last[0] = at(numbers[-1] if self.rng.random() < 0.3 else len(self.values) - 1)
        return orjson.dumps(body(self.inputs, self.steps, last if len(last) > 1 else last[0])).decode()

    def _one(self) -> None:
        draw = self.rng.random()
        if draw < 0.25:
            self._gradient()
        elif draw < 0.45:
            self._number()
        else:
            for _ in range(6):
                name = self._pick(SIZED if self.rng.random() < 0.3 else DRAWN)
                if self._op(name, self.rng.random() < 0.1):
                    return

    def _op(self, name: str, anyway: bool) -> bool:
        """Add a step; one that fails on these values only if it is to be there anyway."""
        row = TABLE[name]
        call = Drawer(row, self.rng.integers(2**32)).call()
        try:
            args = [self._filled(arg) for arg in call.args]
            kwargs = {key: self._filled(arg) for key, arg in call.kwargs.items()}
            told_args, told_kwargs = [to_json(arg) for arg in args], {key: to_json(arg) for key, arg in kwargs.items()}
        except FedsockError:
            return False
        made = self._tried(row, args, kwargs)
        if made is None and not anyway:
            return False
        made = [0.0] if made is None else made
        more = {"kw": told_kwargs} if told_kwargs else {}
        self._add(step(name, *told_args, **more, **({"n": len(made)} if len(made) != 1 else {})), made)
        return True

    def _tried(self, row: Row, args: Any, kwargs: Any) -> list[Any] | None:
        try:
            checked, named = check(
                row, [self._held(arg) for arg in args], {k: self._held(v) for k, v in kwargs.items()}
            )
            if row.bound(*checked, **named).nbytes > 1 << 20:
                return None
            return flatten(row, row.function(*checked, **named, **({"overwrite": False} if row.in_place else {})))
        except Exception:
            return None

    def _number(self) -> None:
        name = sorted(OPERATIONS)[self.rng.integers(len(OPERATIONS))]
        if name == SIZE:
            args: list[Any] = [at(int(self.rng.integers(len(self.values)))), 0]
        else:
            numbers = [k for k, value in enumerate(self.values) if type(value) in NUMBERS]
            args = [self._pick([at(k) for k in numbers] + [0, 1, 2.5, 3]) for _ in range(ARITIES[name])]
        try:
            made = OPERATIONS[name](*(self.values[arg["$"]] if isinstance(arg, dict) else arg for arg in args))
        except Exception:
            made = 1.0
        self._add(step(name, *args), [made])

    def _gradient(self) -> None:
        """Add the gradient of a plan by an array or by a number."""
        place = int(self.rng.integers(len(self.values)))
        value = self.values[place]
        if not isinstance(value, np.ndarray):
            return
        inner = [step(self._pick(["astype"]), at(1), to_json(np.dtype("f8")))]
        for _ in range(self.rng.integers(0, 3)):
            inner.append(step(self._pick(SMOOTH), at(len(inner) + 1)))
        if self.rng.random() < 0.3:
            inner.append(step("outer", at(len(inner) + 1), at(len(inner) + 1)))
            inner.append(step(self._pick(["linalg.det", "linalg.inv", "linalg.norm", "trace"]), at(len(inner) + 1)))
        inner += [step("sum", at(len(inner) + 1)), step("multiply", at(len(inner) + 2), at(0))]
        number = {"name": "a", "kind": "float", "ndim": 0}
        of = body([number, {**_spec(1, value)}], inner, at(len(inner) + 1))
        by = [1] if self.rng.random() < 0.4 and value.dtype.kind == "f" else [0]
        slope = value if by == [1] else float(self.rng.integers(-2, 3))
        self._add(step("value_and_gradient", 2.0, at(place), n=2, of=of, by=by), [np.float64(1), slope])

    def _add(self, one: Any, made: Sequence[Any]) -> None:
        self.steps.append(one)
        self.values += made

    def _filled(self, tree: Any) -> Any:
        if isinstance(tree, Slot):
            if tree.private or self.rng.random() < 0.5:
                return Reference(int(self.rng.integers(len(self.values))))
            return tree.fill(self.rng)
        numbers = isinstance(tree, (int, float, np.ndarray)) or (type(tree) is tuple and {*map(type, tree)} <= {int})
        if numbers and self.rng.random() < 0.4:
            return Reference(self._integers())  # even where a number is due
        return type(tree)(self._filled(part) for part in tree) if isinstance(tree, (list, tuple)) else tree

    def _integers(self) -> int:
        """Return a register, of integers if there are any."""
        found = [k for k, value in enumerate(self.values) if getattr(value, "dtype", np.dtype("U")).kind in "iu"]
        return int(self._pick(found or range(len(self.values))))

    def _held(self, tree: Any) -> Any:
        if isinstance(tree, Reference):
            return self.values[tree.id]
        return type(tree)(map(self._held, tree)) if isinstance(tree, (list, tuple)) else tree

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[self.rng.integers(len(options))]


def _spec(place: int, value: Any) -> dict[str, Any]:
    if isinstance(value, (np.ndarray, np.generic)):
        scalar = {"scalar": True} if isinstance(value, np.generic) else {}
        return {"name": f"x{place}", "kind": value.dtype.name, "ndim": value.ndim, **scalar}
    return {"name": f"x{place}", "kind": type(value).__name__, "ndim": 0}


STATE: dict[str, Any] = {}
"""Stands for what is known of an optimizer's state."""


class Programs(World):
    """A world in which programs are run."""

    def script(self) -> list[list[dict[str, Any]]]:
        """Return batches of messages: uploads, programs and single ops on each other's results, then questions."""
        self.known: list[int | str] = list(self.data[0])
        self.kinds: dict[int | str, Any] = {name: np.ones_like(value) for name, value in self.data[0].items()}
        self.last = 0
        self.batches: list[list[dict[str, Any]]] = []
        self._made(m.Put(1, to_json(self.rng.normal(size=3))), np.ones(3))
        for _ in range(OPS):
            draw = self.rng.random()
            if draw < 0.5:
                self._run()
            elif draw < 0.7:
                self._train()
            elif draw < 0.85:
                self._task()
            else:
                self._single()
        return [*self.batches, self._questions()]

    def _ref(self) -> Any:
        return self.known[self.rng.integers(len(self.known))]

    def _numbers(self) -> Any:
        """Return what refers to an array of numbers, as far as that is known."""
        arrays = [ref for ref in self.known if getattr(self.kinds[ref], "dtype", np.dtype("U")).kind in "biufc"]
        return arrays[self.rng.integers(len(arrays))]

    def _say(self, message: Any) -> None:
        self.batches.append([msgspec.to_builtins(message)])

    def _made(self, message: Any, *results: Any) -> None:
        self._say(message)
        for value in results:
            self.last += 1
            self.known.append(self.last)
            self.kinds[self.last] = value

    def _put(self, value: Any) -> int:
        self.last += 1
        self._say(m.Put(self.last, to_json(value)))
        return self.last

    def _run(self) -> None:
        refs = [self._numbers() if self.rng.random() < 0.95 else self._ref() for _ in range(self.rng.integers(1, 3))]
        author = Author(self.rng, [self.kinds[one] for one in refs] + [2.0])
        text = author.plan()
        gives = orjson.loads(text)["gives"]
        outputs = [one["$"] for one in (gives if isinstance(gives, list) else [gives])]
        at_worker = self._put(text)
        args = [to_json(Reference(one)) for one in (at_worker, *refs)]
        self._made(m.Op(self.last + 1, "run", [*args, 2.0], {}, len(outputs)), *(author.values[one] for one in outputs))

    def _train(self) -> None:
        data = self._numbers()
        rows = self.kinds[data]
        if not isinstance(rows, np.ndarray) or not rows.ndim:
            return
        author = Author(self.rng, [np.ones(1), rows])
        for _ in range(self.rng.integers(0, 3)):
            author._one()
        loss = [*author.steps, step("astype", at(len(author.values) - 1), to_json(np.dtype("f8")))]
        last = len(author.values)
        loss += [step("subtract", at(last), at(0)), step("square", at(last + 1)), step("mean", at(last + 2))]
        text = self._put(orjson.dumps(body(author.inputs, loss, at(last + 3))).decode())
        settings: dict[str, Any] = {"momentum": float(self.rng.choice([0.0, 0.5])), "epochs": 2}
        if self.rng.random() < 0.5:
            settings["batch_size"] = int(self.rng.integers(1, 4))
        numbers = [one for one in self.known if type(self.kinds[one]) in NUMBERS]
        if numbers and self.rng.random() < 0.5:
            settings[str(self.rng.choice(["learning_rate", "clip_norm"]))] = Reference(numbers[-1])
        params = [Reference(self._ref())] if self.rng.random() < 0.2 else [np.zeros(1)]
        args = [to_json(one) for one in (Reference(text), params, [Reference(data)], settings)]
        if self.rng.random() < 0.4:
            states = [one for one in self.known if self.kinds[one] is STATE]
            args.append(to_json(Reference(states[-1] if states else self._ref())))
        self._made(m.Op(self.last + 1, "train", args, {}, 2), {}, STATE)

    def _task(self) -> None:
        name = sorted(TASKS)[self.rng.integers(len(TASKS))]
        args = [to_json(Reference(self._ref())) for _ in range(self.rng.integers(0, 2))]
        self._made(m.Op(self.last + 1, "task", [name, *args]), {})

    def _single(self) -> None:
        name = DRAWN[self.rng.integers(len(DRAWN))]
        call = Drawer(TABLE[name], self.rng.integers(2**32)).call()
        count = self._results(name, call)
        try:
            args = [to_json(self._filled(arg, self.known)) for arg in call.args]
            kwargs = {key: to_json(self._filled(arg, self.known)) for key, arg in call.kwargs.items()}
        except FedsockError:
            return
        self._made(m.Op(self.last + 1, name, args, kwargs, count), *[{}] * count)

    def _questions(self) -> list[dict[str, Any]]:
        asked: list[Any] = [m.Ask(self.last + 1, "objects"), m.Ask(self.last + 2, "stats")]
        id = self.last + 2
        for ref in self.known[len(self.data[0]) :]:
            asked += [m.Get(id + 1, ref), m.Ask(id + 2, "export", ref=ref), m.Transfer(id + 3, ref, "alice@0001", 1)]
            id += 3
        return list(map(msgspec.to_builtins, asked))


def answers(data: dict[str, Any], policy: Any, script: list[list[dict[str, Any]]]) -> list[Any]:
    """Return all that a worker says, as it would travel."""
    datasets = datasets_from_mapping(data, True, policy)
    tasks = tasks_of_virtual(TASKS, datasets, policy_of_virtual(policy)[0])
    engine = Engine("bob", datasets, tasks=tasks, quota_bytes=1 << 20, op_seconds=1.0)
    engine.introduce(PEER, "ann")
    said: list[Any] = []

    def say() -> None:
        for one in engine.replies():
            if isinstance(one, Send):
                said.append(told(one.message))
            elif isinstance(one, SendValue):
                engine.written(one)
                said.append(orjson.dumps(to_json(one.value, lambda array: 1)))

    with np.errstate(all="ignore"):
        for batch in script:
            todo = [compute for compute in engine.receive(PEER, m.to_worker(orjson.dumps(batch))) if compute]
            say()
            while todo or engine.streams.due:
                if engine.streams.due:
                    todo += engine.go_on()
                else:
                    compute = todo.pop(0)
                    todo += engine.computed(compute, *compute.run())
                say()
    return said


def differs(number: int, policy: Any) -> bool:
    """Whether two workers can be told apart by a graph."""
    world = Programs(number)
    script = world.script()
    first, second = (answers(data, policy, script) for data in world.data)
    return first != second


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("part", range(PARTS))
def test_equal_shapes_look_the_same(part: int, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "fedsock.worker")
    for number in range(math.ceil(GRAPHS / PARTS / 2)):
        assert not differs(part * GRAPHS + number, POLICIES[policy]), part * GRAPHS + number


def on_values(task: Any, rows: int, of_owner: Any = None) -> list[Any]:
    return task.inputs(task.params, [leaf[:rows] for leaf in task.data])  # type: ignore[no-any-return]


MUTATIONS: dict[str, tuple[Any, str, Any]] = {
    "plans are run on private values at once": (
        plans,
        "_tried_and_run",
        lambda replay, leaves, tried, fewer, guard: plans._run(replay, leaves, guard.job, guard),
    ),
    "trainings are tried on private values": (training.Task, "example", on_values),
    "steps may depend on private values": (plans.Guard, "depends", lambda guard, step, reads: None),
    "settings may be private": (training, "_check_private", lambda job: None),
    "how a task ends is told": (Exports, "admits", lambda exports, entry, store: True),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("rule", MUTATIONS)
def test_without_one_of_the_rules_they_do_not(
    rule: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "fedsock.worker")
    monkeypatch.setattr(*MUTATIONS[rule])
    assert any(differs(number, "deny") for number in range(600))
