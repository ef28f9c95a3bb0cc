"""``python -m fedsock.worker``: an owner's worker, beside the data."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from fedsock.errors import ConfigError, FedsockError
from fedsock.peer.peer import Peer
from fedsock.transport.base import Transport
from fedsock.transport.process import calm_collector, new_event_loop
from fedsock.transport.websocket import dial
from fedsock.worker import auditcommand, requestcommand, showcommand
from fedsock.worker.config import WorkerConfig, from_options, read_token
from fedsock.worker.datasets import Dataset, load_datasets, releases_noise
from fedsock.worker.engine import Engine
from fedsock.worker.hubnews import HubNews
from fedsock.worker.memory import Memory
from fedsock.worker.prompt import LINE_BYTES, Prompt
from fedsock.worker.readers import READERS
from fedsock.worker.releases import load_mechanisms
from fedsock.worker.requestbook import Asked
from fedsock.worker.service import WorkerService
from fedsock.worker.state import default_folder
from fedsock.worker.taskmodules import load_tasks
from fedsock.worker.tasks import Task

DIAL_SECONDS = 10.0
"""One try to reach the hub."""

CLOSE_SECONDS = 3.0
"""For what is queued, when the worker is told to end; it is gone within five whoever is connected."""

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "audit": auditcommand.main,
    "requests": requestcommand.requests,
    "approve": requestcommand.approve,
    "deny": requestcommand.deny,
    "show": showcommand.main,
}
"""What an owner can do beside running a worker: the first word -> what the rest of the words are given to."""

EXAMPLE = """\
example: bob keeps measurements.npy to himself and lets others compute on it

  python -m fedsock.worker --name bob --data x=measurements.npy

and a scientist, elsewhere or in a second terminal, writes

  import asyncio, fedsock

  async def main():
      async with fedsock.Hub() as hub:
          bob = await hub.worker("bob", timeout=30)
          x = bob.datasets["x"]
          y = x + bob.send(1.0)
          await y.wait()              # done at bob; what derives from private data can't be fetched

  asyncio.run(main())

--public NAME=FILE publishes a file: its values, and what is computed from them, may leave.

for the owner: python -m fedsock.worker audit --help
               python -m fedsock.worker requests --help
               python -m fedsock.worker show --help
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m fedsock.worker",
        description="Run a worker next to the data it lets others compute on.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--name", help="the worker's name at the hub")
    made.add_argument("--hub", metavar="URL", help="the hub (default: ws://127.0.0.1:8765)")
    made.add_argument("--config", metavar="FILE", help="a worker definition, such as workers/bob.toml")
    made.add_argument("--data", metavar="NAME=FILE", action="append", default=[], help="a private data set")
    made.add_argument("--public", metavar="NAME=FILE", action="append", default=[], help="a published data set")
    made.add_argument("--token-file", metavar="FILE", help="a file that holds the token for the hub")
    made.add_argument(
        "--state", metavar="DIR", help="where the worker keeps what it must remember (default: NAME.state, when needed)"
    )
    made.add_argument("--prompt", action="store_true", help="answer requests in this terminal as they come")
    made.add_argument("--verbose", action="store_true", help="log what happens")
    return made


async def serve(
    config: WorkerConfig,
    datasets: dict[str, Dataset],
    token: str | None,
    memory: Memory,
    *,
    prompt: bool = False,
    tasks: Mapping[str, Task] = MappingProxyType({}),
) -> int:
    """Run a worker until it is told to end; returns the exit code.

    Args:
        config: its definition.
        datasets: the owner's data.
        token: for the hub, or None.
        memory: of what it decides.
        prompt: its owner answers requests in the terminal.
        tasks: the owner's functions.

    Cancelling ends it as a signal would.
    """
    limits, loop = config.limits, asyncio.get_running_loop()
    engine = Engine(
        config.name,
        datasets,
        quota_bytes=limits.quota_bytes,
        quota_objects=limits.quota_objects,
        op_seconds=limits.op_seconds,
        ledger=memory.ledger,
        audit=memory.audit,
        approvals=memory.approvals,
        plans=memory.plans,
        answering=_prompted(memory, loop) if prompt else None,
        tasks=tasks,
    )
    service = WorkerService(engine, threads=limits.threads)

    async def dialled() -> Transport:
        return await dial(config.hub, timeout=DIAL_SECONDS)

    peer = Peer(config.name, "worker", dialled, service, token=token, told=HubNews(config.name, config.hub))
    service.attach(peer)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _tell_head(memory.start())
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(peer.start(None))
    try:
        await asyncio.wait({stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            count = f"{len(datasets)} data set{'' if len(datasets) == 1 else 's'}"
            print(f"worker {config.name} joined {config.hub} with {count}", flush=True)
            finishing = asyncio.create_task(peer.finished())
            await asyncio.wait({stopping, finishing}, return_when=asyncio.FIRST_COMPLETED)
            finishing.cancel()
        if peer.failed is not None:
            raise peer.failed
    finally:
        starting.cancel()
        stopping.cancel()
        await peer.close(CLOSE_SECONDS)
        service.close()
        _tell_head(memory.stop())
    if service.busy:
        # A thread inside numpy can't be stopped, and the interpreter would wait for it.
        os._exit(0)
    return 0


def _prompted(memory: Memory, loop: asyncio.AbstractEventLoop) -> Callable[[Asked], None]:
    """Return what shows a request at a prompt on standard input.

    Raises:
        ConfigError: there can't be one.
    """
    prompt = Prompt(memory.approvals)

    def read() -> None:
        data = os.read(sys.stdin.fileno(), LINE_BYTES)
        if not data:
            loop.remove_reader(sys.stdin.fileno())
        prompt.feed(data)

    try:
        loop.add_reader(sys.stdin.fileno(), read)
    except (OSError, ValueError, NotImplementedError) as error:
        raise ConfigError("--prompt: standard input is no terminal; use python -m fedsock.worker requests") from error
    return prompt.show


def _tell_head(head: str | None) -> None:
    """Print the audit file's head, for the owner to note: with it a cut tail is found."""
    if head is not None:
        print(f"audit head {head}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 when told to end, 1 refused by the hub, 2 wrong options or files."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    options = parser().parse_args(words)
    if not options.name and not options.config:
        parser().error("give --name NAME, or --config FILE that has one")
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    try:
        config = from_options(
            config=options.config,
            name=options.name,
            hub=options.hub,
            token_file=options.token_file,
            state=options.state,
            data=options.data,
            public=options.public,
        )
        datasets = load_datasets(config, READERS)
        token = read_token(config)
        folder = config.state or default_folder(config.name, options.config)
        if releases_noise(datasets):
            load_mechanisms()  # a missing extra is found before anything is made
        tasks = load_tasks(config.tasks, datasets, config.policy)
        memory = Memory(config.name, datasets, folder, tasks)
        loop = new_event_loop()
    except FedsockError as error:
        print(f"fedsock.worker: {error}", file=sys.stderr)
        return 2
    calm_collector()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(serve(config, datasets, token, memory, prompt=options.prompt, tasks=tasks))
    except FedsockError as error:
        print(f"fedsock.worker: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
