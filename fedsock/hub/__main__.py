"""``python -m fedsock.hub``: a stand-alone hub."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from fedsock.errors import ConfigError
from fedsock.hub.server import PORT_RULE, HubServer
from fedsock.transport.process import calm_collector, new_event_loop

_DESCRIPTION = """\
Run a hub: workers and sessions dial it, and it carries their frames to each other. It keeps nothing, so it
can be stopped and started again at any time: both sides come back by themselves and go on where they were.
"""

_EXAMPLE = """\
example, on one machine:
  python -m fedsock.hub
  python -m fedsock.worker --name bob --data x=FILE.npy

example, for a team, with tokens and TLS:
  cat > tokens <<END
  # name role token; a session's name is its user's; * is anybody; make a token with: openssl rand -hex 32
  bob   worker  2f6c...
  alice session 91d0...
  END
  python -m fedsock.hub --host 0.0.0.0 --token-file tokens --tls-cert hub.pem --tls-key hub.key

Without --token-file a hub binds this machine's loopback addresses only. SIGTERM and SIGINT end it within 5 s.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m fedsock.hub",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    made.add_argument("--port", type=_port, default=8765, help="0 means any free port (default: %(default)s)")
    made.add_argument("--token-file", metavar="FILE", help="who may join: a line each, name role token")
    made.add_argument("--tls-cert", metavar="FILE", help="certificate chain (PEM), for wss://")
    made.add_argument("--tls-key", metavar="FILE", help="its key, if it isn't in the same file")
    made.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="a browser's Origin to let in; may be repeated",
    )
    return made


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: {PORT_RULE}")
    return int(text)


async def serve(server: HubServer) -> None:
    """Run a hub until SIGTERM or SIGINT, or until cancelled.

    Args:
        server: not started yet.

    Raises:
        ConfigError: the address can't be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    print(f"hub listening on {server.url}", flush=True)
    try:
        await stop.wait()
    finally:
        await server.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 when told to end, 2 if it can't start."""
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        server = HubServer(
            options.host,
            options.port,
            token_file=options.token_file,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            origins=options.origin,
        )
        calm_collector()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(server))
    except ConfigError as error:
        print(f"fedsock.hub: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
