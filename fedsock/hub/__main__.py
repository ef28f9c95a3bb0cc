"""``python -m fedsock.hub``: a stand-alone hub."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from fedsock.errors import ConfigError
from fedsock.hub.server import HubServer

EXAMPLE = """\
example: a hub for a team, with tokens and TLS

  printf 'bob worker %s\\n* session %s\\n' "$(openssl rand -hex 32)" "$(openssl rand -hex 32)" > tokens
  python -m fedsock.hub --host 0.0.0.0 --port 8765 --token-file tokens --tls-cert hub.pem --tls-key hub.key

Without --token-file it listens on loopback only.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m fedsock.hub",
        description="Run a hub: workers and sessions dial it, it forwards their frames.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    made.add_argument("--port", type=int, default=8765, help="0 takes any free port (default: 8765)")
    made.add_argument("--token-file", metavar="FILE", help="a line each: name role token")
    made.add_argument("--tls-cert", metavar="FILE", help="certificate chain, for wss://")
    made.add_argument("--tls-key", metavar="FILE", help="its key")
    made.add_argument("--origin", action="append", default=[], help="a browser origin to let in")
    made.add_argument("--verbose", action="store_true", help="log who comes and goes")
    return made


async def serve(server: HubServer) -> None:
    """Run a hub until it is told to end. Cancelling ends it too.

    Args:
        server: not yet started.
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
    """Run the command; returns its exit code: 0 when told to end, 2 if it can't start."""
    options = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    try:
        server = HubServer(
            host=options.host,
            port=options.port,
            token_file=options.token_file,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            origins=options.origin,
        )
        asyncio.run(serve(server))
    except ConfigError as error:
        print(f"fedsock.hub: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
