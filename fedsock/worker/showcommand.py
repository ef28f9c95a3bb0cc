"""``python -m fedsock.worker show DIGEST``: a plan that a session sent, for the owner to read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fedsock.errors import ConfigError, FedsockError
from fedsock.plan.show import SHOWN, shown
from fedsock.worker.auditcommand import add_place, place_of
from fedsock.worker.planbook import Kept, kept_plan, kept_plans
from fedsock.worker.requestbook import safe

EXAMPLE = """\
example: bob's owner looks at the plans that were sent, and reads one

  python -m fedsock.worker show --config workers/bob.toml
  python -m fedsock.worker show sha256:3f0c… --config workers/bob.toml

The beginning of a digest will do. A worker keeps the newest 1,000 plans that were run on private data, or that somebody
asked about; those that its policy or an open request names stay. It ends with 0, with 1 when there is no such plan, and
with 2 for wrong options.
"""

ALLOWED = """\
for its results to leave, write into the worker's TOML (where plans are listed already, add it to them):

  [policy.train]
  plans = ["{digest}"]

That is trust in this plan: its arguments come from the session each time, and crafted ones can make it show a row.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python -m fedsock.worker show",
        description="Show a plan that a session sent: what it takes, every step, what it gives.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("digest", metavar="DIGEST", nargs="?", help="of the plan, or how it begins; none: list all")
    made.add_argument("--whole", action="store_true", help="all elements of constants, not the first few")
    made.add_argument("--lines", action="store_true", help="where each step was written, in the words of who sent it")
    add_place(made)
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code: 0 shown, 1 no such plan, 2 wrong options or nothing to read."""
    options = parser().parse_args(argv)
    try:
        folder = place_of(options)
        if options.digest is None:
            return _listed(folder)
        _show(kept_plan(folder, options.digest), options.lines, options.whole)
    except ConfigError as error:
        return _complained(error, 2)
    except FedsockError as error:
        return _complained(error, 1)
    return 0


def _show(kept: Kept, lines: bool, whole: bool) -> None:
    text = shown(kept.plan, lines, sys.maxsize if whole else SHOWN)
    print(f"sent by {safe(kept.user) or 'nobody in particular'}, first {_when(kept)}\n")
    print("\n".join(map(safe, text.split("\n"))))
    print("\n" + ALLOWED.format(digest=kept.plan.digest), end="")


def _listed(folder: Path) -> int:
    found = kept_plans(folder, lambda told: print(f"fedsock.worker: {safe(told)}", file=sys.stderr))
    for one in found:
        steps = f"{len(one.plan.steps)} step{'' if len(one.plan.steps) == 1 else 's'}"
        print(f"{one.plan.digest}  {_when(one)}  {safe(one.user)}  {steps}  {safe(ascii(one.plan.name)[1:-1])}")
    if not found:
        print(f"no plan is kept in {folder}: none was run on private data yet, or the folder is another's")
    return 0


def _when(kept: Kept) -> str:
    return f"{safe(kept.at[:16].replace('T', ' '))} UTC"


def _complained(error: FedsockError, code: int) -> int:
    print(f"fedsock.worker: {safe(str(error))}", file=sys.stderr)
    return code
