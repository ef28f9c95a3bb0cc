"""Optimizers: their mathematics as plain functions on arrays, and the state that goes from step to step.

Every function returns new arrays, in the dtype of the parameters it was given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError, OpValueError
from fedsock.plan.settings import Training
from fedsock.typing import Array


@dataclass(frozen=True, slots=True)
class State:
    """What an optimizer remembers.

    Attributes:
        step: steps taken so far.
        moments: arrays like the parameters: none, SGD's velocity, or Adam's mean and mean square of gradients.
    """

    step: int = 0
    moments: tuple[list[Array], ...] = ()

    @classmethod
    def start(cls, settings: Training, params: Sequence[Array]) -> State:
        """Return the state before the first step: zeros.

        Args:
            settings: say which optimizer.
            params: the parameters.
        """
        return cls(0, tuple([np.zeros_like(leaf) for leaf in params] for _ in range(moments_of(settings))))

    @classmethod
    def from_tree(cls, tree: Any, settings: Training, params: Sequence[Array]) -> State:
        """Return the state that a value stands for, checked: it may have been made by anybody.

        Args:
            tree: what ``to_tree`` made.
            settings: say which optimizer it is for.
            params: the parameters it is for.

        Raises:
            OpTypeError, OpValueError: it is no state, or one of another optimizer or of other parameters.
        """
        if type(tree) is not dict or tree.keys() != {"step", "moments"}:
            raise OpTypeError("state: expected what train gave")
        step, moments = tree["step"], tree["moments"]
        if type(step) is not int or not 0 <= step < 1 << 63 or type(moments) is not list:
            raise OpTypeError("state: expected what train gave")
        if len(moments) != moments_of(settings):
            raise OpValueError("state: it is another optimizer's")
        for moment in moments:
            if type(moment) is not list or len(moment) != len(params):
                raise OpValueError("state: it is of other parameters")
            for leaf, param in zip(moment, params, strict=True):
                if not isinstance(leaf, np.ndarray) or (leaf.shape, leaf.dtype) != (param.shape, param.dtype):
                    raise OpValueError("state: it is of other parameters")
        return cls(step, tuple(moments))

    def to_tree(self) -> dict[str, Any]:
        """Return the state as a tree of arrays."""
        return {"step": self.step, "moments": list(self.moments)}


def moments_of(settings: Training) -> int:
    """Return how many arrays an optimizer remembers for each of the parameters.

    Args:
        settings: say which optimizer.
    """
    if settings.optimizer == "sgd":
        return 1 if settings.momentum else 0
    return 2


def step(
    settings: Training, params: Sequence[Array], gradients: Sequence[Array], state: State
) -> tuple[list[Array], State]:
    """Take one step with the optimizer that settings name.

    Args:
        settings: the optimizer and its numbers.
        params: float arrays.
        gradients: arrays of the same shapes.
        state: what the step before left, or ``State.start``.

    Returns:
        The new parameters and state.

    Raises:
        OpValueError: a gradient of another shape.
    """
    number = state.step + 1
    stepped = []
    for leaf, gradient, *moments in zip(params, gradients, *state.moments, strict=True):
        gradient = np.asarray(gradient, leaf.dtype)
        if gradient.shape != leaf.shape:
            raise OpValueError("a gradient doesn't have the shape of its parameter")
        if settings.optimizer == "sgd":
            new: tuple[Any, ...] = sgd(
                leaf,
                gradient,
                *moments,
                learning_rate=settings.learning_rate,
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
            )
        else:
            new = adam(
                leaf,
                gradient,
                moments[0],
                moments[1],
                number,
                learning_rate=settings.learning_rate,
                betas=settings.betas,
                epsilon=settings.epsilon,
                weight_decay=settings.weight_decay,
                decoupled=settings.optimizer == "adamw",
            )
        # Arithmetic on 0-d arrays gives scalars.
        stepped.append([np.asarray(part) for part in new])
    new_params, *new_moments = (list(column) for column in zip(*stepped, strict=True))
    return new_params, State(number, tuple(new_moments[: len(state.moments)]))


def sgd(
    params: Array,
    gradient: Array,
    velocity: Array | None = None,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> tuple[Array, ...]:
    """Take a step of stochastic gradient descent: v = momentum v + g + weight_decay w; w = w - learning_rate v.

    Args:
        params: w, float.
        gradient: g, of the same shape and dtype.
        velocity: v, of the same shape and dtype; None: there is no momentum.
        learning_rate: how far a step goes.
        momentum: how much of the velocity stays.
        weight_decay: how much of the parameters is added to the gradient.

    Returns:
        The new parameters, and the new velocity where there is one.

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; the learning rate stands
        outside of the velocity, as in Sutskever et al., "On the importance of initialization and momentum in deep
        learning", 2013, footnote 1, and in most libraries.
    """
    if weight_decay:
        gradient = gradient + weight_decay * params
    if velocity is None:
        return (params - learning_rate * gradient,)
    velocity = momentum * velocity + gradient
    return params - learning_rate * velocity, velocity


def adam(
    params: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    number: int,
    *,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> tuple[Array, Array, Array]:
    """Take a step of Adam, or of AdamW, whose weight decay doesn't go through the moments.

    Args:
        params: float.
        gradient: of the same shape and dtype.
        mean: moving mean of gradients, of the same shape and dtype.
        square: moving mean of their squares, of the same shape and dtype.
        number: of the step, from 1.
        learning_rate: how far a step goes.
        betas: how much of the mean and of the mean square stays.
        epsilon: added to the root of the mean square.
        weight_decay: added to the gradient, in parts of the parameters; if ``decoupled``, taken from the parameters,
            in parts of them times the learning rate.
        decoupled: it is AdamW.

    Returns:
        The new parameters, mean and mean square.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1; Loshchilov and Hutter,
        "Decoupled Weight Decay Regularization", 2019, algorithm 2.
    """
    if weight_decay and not decoupled:
        gradient = gradient + weight_decay * params
    first, second = betas
    mean = first * mean + (1 - first) * gradient
    square = second * square + (1 - second) * (gradient * gradient)
    change = mean / (1 - first**number) / (np.sqrt(square / (1 - second**number)) + epsilon)
    if weight_decay and decoupled:
        params = params - learning_rate * weight_decay * params
    return params - learning_rate * change, mean, square


def proximal(
    gradients: Sequence[Array], params: Sequence[Array], anchor: Sequence[Array], strength: float
) -> list[Array]:
    """Return the gradients with those of FedProx's term: strength/2 ||params - anchor||^2.

    Args:
        gradients: of the loss.
        params: where they are taken, of the same shapes.
        anchor: the parameters at the start of the round, of the same shapes.
        strength: mu.

    Source: Li et al., "Federated Optimization in Heterogeneous Networks", 2020, equation 2.
    """
    return [g + strength * (w - w0) for g, w, w0 in zip(gradients, params, anchor, strict=True)]


def clipped(gradients: Sequence[Array], norm: float) -> list[Array]:
    """Return gradients scaled down, all by one factor, so that their norm taken together is at most a limit.

    Args:
        gradients: float arrays.
        norm: the limit, above 0.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.
    """
    total = math.sqrt(sum(float(np.sum(np.square(leaf, dtype=np.float64))) for leaf in gradients))
    if total <= norm:
        return list(gradients)
    return [leaf * (norm / total) for leaf in gradients]
