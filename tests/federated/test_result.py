"""What a fit tells, as a frame and as a picture."""

from __future__ import annotations

from fedsock.federated.result import FitResult, Round, WorkerReport

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


def test_as_a_frame() -> None:
    frame = RESULT.to_frame()
    assert frame["round"].to_list() == [1, 2] and frame["loss"].to_list() == [0.5, None]
    assert frame["acc"].to_list() == [0.1, 0.2] and frame["metrics.loss"].to_list() == [3.0, None]
    assert frame["workers"].to_list() == [1, 0]


def test_as_a_picture() -> None:
    loss, metrics = RESULT.plot().axes
    assert {line.get_label(): list(line.get_ydata()) for line in loss.lines} == {"all": [0.5], "bob": [0.25]}
    assert {line.get_label(): list(line.get_ydata()) for line in metrics.lines} == {"acc": [0.1, 0.2], "loss": [3.0]}
