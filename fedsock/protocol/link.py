"""The reliable two-way conversation of two peers: a state machine (floor 1, no I/O, time is an argument).

A link outlives sockets and hubs. It numbers the frames it writes, keeps them until they are acknowledged, and
writes them again, byte for byte, from the peer's last ack on (go-back-N) when

- its own socket is back, or the hub says that the peer is back: what was under way is lost,
- the hub says ``go`` after a ``hold``: what came after its full queue is lost,
- nothing was acknowledged for 5 s although the peer is there (then 10 s, 20 s, until something is).

It takes each number once and in order and acknowledges cumulatively. So each message arrives once and in
order across any number of broken sockets, or the link ends with a reason.

The owner drives it: it calls ``next_frame`` until that returns None, then waits for a frame (``receive``),
for ``deadline`` (``tick``), for something to send or for news of socket and peer, and calls ``next_frame``
again.
"""

from __future__ import annotations

from fedsock.errors import BadFrame
from fedsock.protocol.events import Batch, Chunk, Ended, Event, LinkEnd, StreamSent
from fedsock.protocol.flight import FLIGHT_FRAMES, Flight
from fedsock.protocol.flow import Window
from fedsock.protocol.frames import Head, build, split_address
from fedsock.protocol.incoming import Incoming
from fedsock.protocol.liveness import Liveness
from fedsock.protocol.outgoing import Queue, Streams

__all__ = ["UNKNOWN_LINK", "Batch", "Chunk", "Ended", "Event", "Link", "LinkEnd", "StreamSent"]

UNKNOWN_LINK = "unknown_link"
"""The code of a reset by a peer that has, and remembers, no such conversation."""


class Link:
    """One peer's end of a conversation with another.

    Attributes:
        local: the own address.
        remote: the peer's address.
        base: the number before the first frame's, in both directions.
        ended: why the link ended; None while it lives.
    """

    __slots__ = (
        "_farewell",
        "_flight",
        "_held",
        "_incoming",
        "_liveness",
        "_open",
        "_queue",
        "_streams",
        "_window",
        "base",
        "ended",
        "local",
        "remote",
    )

    def __init__(self, local: str, remote: str, *, now: float, base: int = 0) -> None:
        """Begin with the socket down, and the peer taken as present.

        Args:
            local: the own address, ``name@epoch``.
            remote: the peer's address.
            now: seconds, on the clock of all later calls.
            base: a multiple of ``CONVERSATION``, above those of earlier conversations with this peer.

        Raises:
            BadFrame: an address is not one.
        """
        split_address(local)
        split_address(remote)
        self.local = local
        self.remote = remote
        self.base = base
        self.ended: LinkEnd | None = None
        self._queue = Queue()
        self._streams = Streams()
        self._flight = Flight(base)
        self._incoming = Incoming(base)
        self._window = Window()
        self._liveness = Liveness(now)
        self._held = False
        # Whether frames may be written: socket up, peer present, not on hold, not ended.
        self._open = False
        self._farewell: bytes | None = None

    # Out

    def send(self, message: bytes) -> int:
        """Queue one message and return its ticket; tickets grow by one.

        Args:
            message: one JSON object. After the end of the link it is dropped (its ticket is never written).

        Raises:
            ValueTooLarge: it is longer than ``outgoing.MESSAGE_LIMIT``.
        """
        return self._queue.add(message)

    def withdraw(self, ticket: int) -> bool:
        """Take a message back; return whether it had not been written yet.

        Args:
            ticket: what ``send`` returned.
        """
        return self._queue.withdraw(ticket)

    def send_stream(self, data: memoryview) -> int:
        """Begin a stream and return its number (1, 2, ...); it is cut into chunks behind all queued messages.

        Args:
            data: its bytes, C-contiguous, of format "B" or another that ``memoryview.cast`` knows. They must
                not change until ``StreamSent``, ``stop_stream`` or the end of the link.
        """
        number = self._streams.add(data)
        if self.ended is not None:
            self._streams.close()
        return number

    def stop_stream(self, number: int) -> bool:
        """Cut no more chunks of a stream; no ``StreamSent`` comes for it.

        Chunks that are numbered already stay so, and are written again if need be.

        Args:
            number: what ``send_stream`` returned.

        Returns:
            Whether a ``StreamSent`` was still to come.
        """
        return self._streams.stop(number)

    def next_frame(self, now: float, *, chunks: bool = True) -> bytes | None:
        """Return the next frame to write, or None when there is none to write now.

        A frame to be written again comes first; then messages; then a chunk of each stream in turn. An ack
        that is due goes out alone only if no new frame carries it.

        Args:
            now: seconds.
            chunks: a new chunk may be cut.
        """
        if not self._open:
            return self._last_frame()
        flight, incoming = self._flight, self._incoming
        ack_due = incoming.ack_at is not None and now >= incoming.ack_at
        if flight.cursor <= flight.numbered:
            # A frame written again carries the ack of its first time, so the new one doesn't wait for it.
            if not ack_due and flight.bytes < self._window.size:
                return flight.replay(now)
        elif flight.bytes < self._window.size and flight.numbered - flight.acked < FLIGHT_FRAMES:
            if self._queue.bytes:
                return self._number(now, self._queue.cut())
            if chunks and self._streams.active:
                stream, at, data, last = self._streams.cut(self._window.chunk)
                return self._number(now, data, stream, at, stream if last else 0)
        if ack_due:
            incoming.ack_written()
            return build(self.remote, self.local, incoming.told)
        return None

    def _number(
        self,
        now: float,
        body: bytes | memoryview,
        stream: int | None = None,
        at: int | None = None,
        last_of: int = 0,
    ) -> bytes:
        """Return the frame of a batch or chunk under the next number, and keep it."""
        flight, incoming = self._flight, self._incoming
        seq = flight.numbered + 1
        frame = build(self.remote, self.local, incoming.told, seq=seq, stream=stream, at=at, body=body)
        incoming.ack_written()
        flight.add(frame, now, last_of)
        return frame

    def _last_frame(self) -> bytes | None:
        """Return the reset that ended this link, once, as soon as there is a socket for it."""
        if self._farewell is None or not self._liveness.up:
            return None
        farewell, self._farewell = self._farewell, None
        return farewell

    # In

    def receive(self, head: Head, body: memoryview, now: float) -> list[Event]:
        """Take in a frame and return what it brought.

        A frame of other addresses (another life of the peer) or of another conversation, a duplicate, or one
        behind a gap brings none.

        Args:
            head: its head.
            body: its body; the events hold views of it.
            now: seconds.

        Raises:
            BadFrame: it acknowledges what was never sent, or its number is impossibly far ahead; nothing
                changed.
        """
        if self.ended is not None or head.sender != self.remote or head.to != self.local:
            return []
        if head.base != self.base:
            return []
        flight, incoming = self._flight, self._incoming
        if head.reset is not None:
            if head.reset == UNKNOWN_LINK and incoming.received == flight.acked == self.base:
                # The first frame was lost, and what came behind it was not. All will be written again.
                return []
            return self._end(LinkEnd("reset", head.reset))
        ack, seq = head.ack, head.seq
        if ack > flight.numbered:
            raise BadFrame(f"frame {ack} was acknowledged, but {flight.numbered} was the last one")
        if seq is not None and seq > incoming.received + FLIGHT_FRAMES:
            raise BadFrame(f"frame {seq} can't follow frame {incoming.received}")
        events = self._take_ack(ack, now) if ack > flight.acked else []
        if seq is not None and incoming.take(seq, len(body), now):
            events.append(Batch(body) if head.stream is None else Chunk(head.stream, head.at or 0, body))
        if not self._liveness.present:
            # It talks, so it is there. Should this be an old frame, the hub answers our ack: unreachable.
            self.peer_present(now)
        return events

    def _take_ack(self, ack: int, now: float) -> list[Event]:
        flight = self._flight
        in_flight = flight.bytes
        arrived, written_at, ended = flight.acknowledge(ack, now)
        if written_at is not None:
            self._window.acknowledged(arrived, in_flight, now - written_at, acked=ack, written=flight.numbered)
        return [StreamSent(stream) for stream in ended if self._streams.acknowledged(stream)]

    def pause(self, paused: bool, now: float) -> None:
        """Acknowledge nothing that comes from now on, so that the peer comes to a stop; or all again (now: seconds)."""
        self._incoming.pause(paused, now)

    # News of the socket, the peer and the hub's queue for it

    def socket_up(self, now: float) -> None:
        """Note that the own socket is up, be it a new one or the first: what was under way is lost.

        Args:
            now: seconds.
        """
        if self.ended is None:
            self._window.renew()
            self._held = False
            self._resume(now)
        self._liveness.socket_up(now)
        self._set_open()

    def socket_down(self, now: float) -> None:
        """Note that the own socket is down, or the hub away.

        Args:
            now: seconds.
        """
        self._liveness.socket_down(now)
        self._set_open()

    def peer_present(self, now: float) -> None:
        """Note that the hub says the peer is there.

        Args:
            now: seconds.
        """
        if self._open:
            # Said again: an answer to somebody's question, or the peer has another socket. Time will tell.
            self._flight.hasten(now)
        elif self.ended is None:
            self._window.renew()
            self._liveness.peer_present()
            self._held = False
            self._resume(now)
            self._set_open()

    def peer_absent(self, now: float) -> None:
        """Note that the hub doesn't know where the peer is.

        Args:
            now: seconds.
        """
        self._liveness.peer_absent(now)
        self._held = False
        self._set_open()

    def hold(self, now: float) -> None:
        """Note that the hub's queue for the peer is full and that it dropped frames.

        Args:
            now: seconds.
        """
        if not self._held:
            self._held = True
            self._window.halve()
            self._set_open()

    def go(self, now: float) -> None:
        """Note that the hub's queue for the peer has room again.

        Args:
            now: seconds.
        """
        if self.ended is None:
            self._held = False
            self._resume(now)
            self._set_open()

    def _resume(self, now: float) -> None:
        """Go back to the peer's last ack, and tell it ours, so that it doesn't write again what is here."""
        self._flight.go_back()
        # Not before the peer is known to have begun: it would take an ack of nothing for one of a link it forgot.
        if self._incoming.received > self.base or self._flight.acked > self.base:
            self._incoming.ack_at = now

    def _set_open(self) -> None:
        liveness = self._liveness
        self._open = liveness.up and liveness.present and not self._held and self.ended is None

    def lose(self, reason: str, now: float) -> list[Event]:
        """End the link without telling the peer; return the ``Ended`` event, if it lived.

        Args:
            reason: "bye" (the peer left for good), "closed" (it is closed here), or the like.
            now: seconds.
        """
        return self._end(LinkEnd(reason)) if self.ended is None else []

    def reset(self, code: str, now: float) -> list[Event]:
        """End the link and tell the peer why; return the ``Ended`` event, if it lived.

        Args:
            code: a short word of lower case letters, such as "bad_message".
            now: seconds.
        """
        if self.ended is not None:
            return []
        self._farewell = build(self.remote, self.local, self.base, reset=code)
        return self._end(LinkEnd("reset", code))

    def _end(self, end: LinkEnd) -> list[Event]:
        self.ended = end
        self._queue.close()
        self._streams.close()
        self._flight.close()
        self._set_open()
        return [Ended(end)]

    @property
    def deadline(self) -> float | None:
        """When ``tick`` and then ``next_frame`` are due, seconds; None: not before other news."""
        if self.ended is not None:
            return None
        if not self._open:
            return self._liveness.deadline
        ack_at, stalled_at = self._incoming.ack_at, self._flight.stalled_at
        if ack_at is None or stalled_at is None:
            return stalled_at if ack_at is None else ack_at
        return min(ack_at, stalled_at)

    def tick(self, now: float) -> list[Event]:
        """Let time pass; return the ``Ended`` event if the peer or the hub was away for too long.

        Args:
            now: seconds.
        """
        if self.ended is not None:
            return []
        reason = self._liveness.overdue(now)
        if reason is not None:
            return self._end(LinkEnd(reason))
        stalled_at = self._flight.stalled_at
        if self._open and stalled_at is not None and now >= stalled_at:
            self._flight.stalled()
            self._window.collapse()
        return []

    @property
    def queued_messages(self) -> int:
        """How many messages are not written yet."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """Bytes of the messages that are not written yet."""
        return self._queue.bytes

    @property
    def queued_stream_bytes(self) -> int:
        """Bytes of the streams that are not cut yet."""
        return self._streams.bytes

    @property
    def pending(self) -> bool:
        """Whether something is still to be written to a peer that is there."""
        return self._liveness.present and bool(len(self._queue) or self._streams.bytes)

    @property
    def written_tickets(self) -> int:
        """Every ticket up to this one was written, or withdrawn."""
        return self._queue.written

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of the frames that are believed to be under way; none while none may be written."""
        return self._flight.bytes if self._open else 0

    @property
    def unacknowledged(self) -> int:
        """How many frames were written that the peer hasn't acknowledged."""
        return len(self._flight)

    @property
    def drained(self) -> bool:
        """Whether all that was sent has been acknowledged."""
        return not (len(self._queue) or len(self._streams) or len(self._flight))
