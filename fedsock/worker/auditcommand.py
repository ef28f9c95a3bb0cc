"""``python -m fedsock.worker audit --verify``: whether the owner's audit file is as the worker wrote it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fedsock.errors import FedsockError
from fedsock.worker.audit import AUDIT, verify
from fedsock.worker.config import load
from fedsock.worker.state import default_folder

_HEAD = re.compile(r"[0-9a-f]{64}")

EXAMPLE = """\
example: bob's owner noted the head that his worker printed when it last stopped

  python -m fedsock.worker audit --verify --config workers/bob.toml --head 3f0c…

Without --head a tail that was cut off can't be seen, nor a file that was written anew as a whole.
It ends with 0 when nothing was changed, 1 when something was, 2 when there is nothing to read.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python -m fedsock.worker audit",
        description="Check the file in which a worker writes down what it decides about private data.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--verify", action="store_true", required=True, help="look for changed lines")
    made.add_argument("--head", metavar="HASH", help="a head that the worker printed: look for a cut tail too")
    add_place(made)
    return made


def add_place(made: argparse.ArgumentParser) -> None:
    """Add the options by which a command finds a worker's state.

    Args:
        made: the command's parser.
    """
    place = made.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", metavar="FILE", help="the worker's definition, such as workers/bob.toml")
    place.add_argument("--state", metavar="DIR", help="the folder of what the worker must remember")


def place_of(options: argparse.Namespace) -> Path:
    """Return the folder of a worker's state that a command's options name.

    Args:
        options: with ``config`` and ``state``, one of them None.

    Raises:
        ConfigError: as ``config.load``.
    """
    if options.state is not None:
        return Path(options.state)
    config = load(options.config)
    return config.state or default_folder(config.name, options.config)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code: 0 unchanged, 1 changed, 2 wrong options or nothing to read."""
    options = parser().parse_args(argv)
    if options.head is not None and not _HEAD.fullmatch(options.head):
        parser().error("--head: expected the 64 hexadecimal digits that the worker printed")
    try:
        path = place_of(options) / AUDIT
        found = verify(path, options.head)
    except FedsockError as error:
        print(f"fedsock.worker: {error}", file=sys.stderr)
        return 2
    if found.fault is not None:
        print(f"{path}: {found.fault}")
        print(f"the {found.lines} lines before are as they were written, up to head {found.head}")
        return 1
    print(f"{path}: {found.lines} lines, each as it was written; head {found.head}")
    if found.noted is not None:
        print(f"the head that was noted is that of line {found.noted}")
    if found.unfinished:
        print("half a line follows: a worker is writing it, or died then and will close it when it starts")
    return 0
