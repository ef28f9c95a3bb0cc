"""The examples run as a reader runs them, and print what they promise."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

PROMISED = {
    "01_bob.py": [
        "bob has 899 images of 64 pixels",
        "the mean of bob's zeros:",
        "of the other 299 told right",
        "the mean of bob's visits is computed, at bob",
        "ExportDenied: bob keeps object",
        "bob's worker ended with code 0",
    ],
    "02_pointers.py": [
        "2 * x + 1          [3. 5. 7.]",
        "x @ x              14.0",
        "y [11.  3.  4.] x [1. 2. 3.]",
        "y[7] = 0.0: setitem at bob",
        "recovered: [11.  3.  4.]",
        "MetadataNotReady:",
        "copied to alice [1. 2. 3. 4.]",
        "moved to alice [ 0. 10. 20. 30.]",
        "get gives the pointer back: True",
        "nested * 2 is at bob [0. 2. 4. 6.]",
        "sum over both: [2. 4.] mean over 33.0",
        "x + y  PointersApart: operands live at bob and alice",
        "if x:  PointerTruthError:",
        "visits[0] = 1  OwnerDataReadOnly:",
        "OpValueError: multiply was not run: add at bob",
        "ExportDenied: bob keeps object",
        "PointerReleased:",
    ],
    "03_two_workers.py": [
        "over both: 1797 images",
        "ExportDenied: bob keeps object",
        "ExportDenied: alice keeps object",
        "the workers ended with codes [0, 0]",
    ],
    "04_owner_policy.py": [
        "dave's policy on visits is aggregate: cells [10.0, 20.0, 30.0, 40.0, 60.0]",
        "the visits  ExportDenied: dave keeps data set 'visits'",
        "one of them  ExportDenied: dave keeps object",
        "the longest  ExportDenied: dave keeps object",
        "made up: [",
        "240 visits, 31.0 ± 7.4 minutes; 10, 20, 30 and 40 to 60: [20, 80, 115, 25]",
        "why    to plan how many chairs the waiting room needs",
        "np.median(data['waits'])",
        "request 1 of anonymous is approved: once",
        "approved: half of them waited less than",
        "the worker ended with code 0",
    ],
    "05_private_mean.py": [
        "carol's policy is dp: 310 rows, epsilon 0.5 is left",
        "the plain mean may leave: False",
        "a mean for epsilon 0.2:",
        "left: 0.1",
        "BudgetSpent: dp_release at carol",
        "the worker ended with code 0",
    ],
    "06_plan.py": [
        "here, on made-up data: loss 0.311, 86% right",
        "plan step, sha256:",
        "  v6 = matmul(x, weights)    # 06_plan.py:",
        "at erin, on her 900 patients: loss 0.326, 86% right, weights [ 2.  -1.   0.4]",
        "her data  ExportDenied: erin keeps data set 'x'",
        "another plan  ExportDenied: erin keeps object",
        '[policy.train] plans = ["sha256:',
        "NotTraceable: a plan can't branch on a value",
    ],
    "07_federated_statistics.py": [
        "<FederatedArray (1797, 64) uint8 at alice (700), bob (400), carol (400), dave (297)>",
        "all ink: 467966, of alice, bob, carol; not of dave:",
        "dave keeps object",
        "band 0: ink 36.3 ± 13.4",
        "of 1500 images at 3 workers",
        'the largest  ExportDenied: max over the rows of many workers needs export = "public"',
        'a logistic fit  ExportDenied: glm(binomial) over the rows of many workers needs export = "public", or',
        "the same as of all 1500 images in one place: True",
        "the workers ended with codes [0, 0, 0, 0]",
    ],
    "08_fedavg_digits.py": [
        "1437 images at 10 workers, 360 to test on",
        "IID:",
        "two shards each:",
        "round 4: accuracy 0.9",
        "its images  ExportDenied: w0 keeps data set 'x'",
        "IID is above 0.9 after 4 rounds: True",
    ],
    "09_torch_task.py": ["this example needs torch: pip install torch", "workers/sklearn_task.py"]
    if importlib.util.find_spec("torch") is None
    else [
        "grace offers train: Train a network 64-32-10 on the digits by SGD",
        "of what it makes leaves: ['train'], 200 results are left for us",
        "epoch 5: loss",
        "after 898 images: 0.weight (32, 64)",
        "a second round: accuracy 0.9",
        "her digits  ExportDenied: grace keeps data set",
        "the worker ended with code 0",
    ],
    "10_bob_walks.py": [
        "weights [1. 0.] loss 0.0",
        "2. One linear model, its rows split over bob and alice\n   weights [1. 0.]",
        "through alice: [10. 20. 30.] at bob",
        "moved: [1. 2. 3.] at alice",
        "PointerReleased: object",
        "at carol [ 3. -1.]",
    ],
}

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(book)
NotebookClient(book, timeout=60, kernel_name="python3", allow_errors=False,
               resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(book, sys.argv[3])  # the kernel's own output shares stdout
"""


def run(*command: str) -> str:
    ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PROMISED)


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_script(name: str) -> None:
    printed = run(str(EXAMPLES / name))
    missing = [text for text in PROMISED[name] if text not in printed]
    assert not missing, f"{missing} not in\n{printed}"


def executed(name: str, tmp_path: Path, text: str = "", instead: str = "") -> list[dict[str, Any]]:
    """Return the outputs of a notebook that is run, by a process of its own: the kernel's libraries warn about theirs.

    Args:
        name: of the notebook.
        tmp_path: for the one with outputs.
        text: in its source.
        instead: in place of the text.
    """
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    assert all(not cell.get("outputs") for cell in json.loads(source)["cells"])
    assert source.count(text) == 1 or not text
    begun, ended = tmp_path / "begun.ipynb", tmp_path / "ended.ipynb"
    begun.write_text(source.replace(text, instead) if text else source, encoding="utf-8")
    run("-c", EXECUTE, str(begun), str(EXAMPLES), str(ended))
    cells = json.loads(ended.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", ())]


def printed_in(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(output.get("text", "")) for output in outputs)


def test_every_notebook_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.ipynb")} == {"01_bob.ipynb", "08_fedavg_digits.ipynb"}


def test_notebook(tmp_path: Path) -> None:
    outputs = executed("01_bob.ipynb", tmp_path)
    text = printed_in(outputs)
    for promised in ("told right", "ExportDenied: bob keeps object", "bob's worker ended with code 0"):
        assert promised in text
    tables = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(tables) == 2, "the handle and the pointer show a table each"


def test_notebook_of_a_fit(tmp_path: Path) -> None:
    """One picture of the partition, one of the fit that is drawn anew each round, one line that is written anew."""
    outputs = executed("08_fedavg_digits.ipynb", tmp_path, "rounds=20", "rounds=3")
    text = printed_in(outputs)
    assert "ExportDenied: w0 keeps data set 'x'" in text and "of the images that nobody trained on" in text
    data = [output["data"] for output in outputs if "data" in output]
    lines = ["".join(one["text/plain"]) for one in data if "image/png" not in one]
    assert len(lines) == 2 and lines[0].startswith("'sha256:")
    assert lines[1].startswith("round 3/3 · 10 workers · loss ")
    pictures = [base64.b64decode(one["image/png"]) for one in data if "image/png" in one]
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * 2
