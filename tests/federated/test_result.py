"""What a fit tells, as a frame and as a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsock.federated.result import Evaluation, FitResult, Round, WorkerReport

REPORT = WorkerReport(12, 0.25, {}, 0.5, 24, 24)
RESULT = FitResult(
    [],
    [
        Round(1, None, 0.5, {"acc": 0.1, "loss": 3.0}, {"bob": REPORT}, [], 0.7),
        Round(2, None, None, {"acc": 0.2}, {}, [], 0.8),
    ],
)


def test_values() -> None:
    first, second = RESULT.rounds
    assert (first.value("loss"), first.value("acc"), first.value("x")) == (3.0, 0.1, None)
    assert second.value("loss") is None


def test_as_a_line() -> None:
    assert repr(FitResult([], RESULT.rounds[:1])) == "<FitResult of 1 rounds, loss 0.5, acc 0.1, loss 3>"
    assert repr(RESULT) == "<FitResult of 2 rounds, acc 0.2>"
    assert repr(FitResult([], [])) == "<FitResult of 0 rounds>"


def test_as_a_frame() -> None:
    frame = RESULT.to_frame()
    assert frame["round"].to_list() == [1, 2] and frame["loss"].to_list() == [0.5, None]
    assert frame["acc"].to_list() == [0.1, 0.2] and frame["metrics.loss"].to_list() == [3.0, None]
    assert frame["workers"].to_list() == [1, 0]


def test_as_a_picture() -> None:
    rounds = [
        Round(1, None, 0.5, {"acc": 0.1, "loss": 3.0}, {"all": REPORT, "eve": replace(REPORT, loss=None)}, [], 0.7),
        Round(2, None, None, {"acc": 0.2}, {}, [], 0.8),
        Round(3, None, 0.3, {"acc": 0.4}, {"all": replace(REPORT, metrics={"acc": 0.9})}, [], 0.8),
    ]
    axes = FitResult([], rounds).plot().axes
    drawn = {panel.get_title(): [list(zip(*line.get_data(), strict=True)) for line in panel.lines] for panel in axes}
    gap = (2, pytest.approx(np.nan, nan_ok=True))
    assert drawn == {
        "training loss": [[(1, 0.25), gap, (3, 0.25)], [(1, 0.5), gap, (3, 0.3)]],
        "acc": [[(3, 0.9)], [(1, 0.1), (2, 0.2), (3, 0.4)]],
        "loss": [[(1, 3.0)]],
    }
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.texts] == ["all", "all"], "of all together, and of who is called so"


def test_what_a_plan_found_at_a_worker_is_drawn() -> None:
    trained = {"bob": replace(REPORT, metrics={"acc": 0.9})}
    one = Round(1, None, None, {"acc": 0.3}, trained, [], 0.7, {"bob": Evaluation(5, {"acc": 0.2})})
    _, acc = FitResult([], [one, replace(one, number=2, metrics={"acc": float("nan")}, evaluated={})]).plot().axes
    bob, together = acc.lines
    assert list(bob.get_ydata()) == [0.2, 0.9], "where it is evaluated, that counts, not what its training told"
    assert together.get_ydata()[0] == 0.3


def test_of_no_rounds() -> None:
    assert FitResult([], []).plot().axes == []


def test_the_training_loss_comes_first() -> None:
    only_a_worker_told = Round(1, None, None, {"acc": 0.1}, {"bob": REPORT}, [], 0.7)
    assert [panel.get_title() for panel in FitResult([], [only_a_worker_told]).plot().axes] == ["training loss", "acc"]
