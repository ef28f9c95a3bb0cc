"""Values that go from one worker to another: announced to one, sent by the other, never seen here.

The receiver is told to expect an id, and asked for a sign that it was; then the holder is told to deliver;
the receiver says done. If the holder refuses or is lost, the receiver is told that the value won't come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedsock.errors import FedsockError
from fedsock.protocol import messages
from fedsock.session.failures import untraced
from fedsock.session.records import MOVED, PENDING, READY, RELEASED, Record
from fedsock.session.requests import Step

if TYPE_CHECKING:
    from fedsock.session.station import Station


def copied(record: Record, station: Station) -> Record:
    """Return the record of a copy at another worker, which is under way.

    Args:
        record: of the value.
        station: where the copy will be.
    """
    home = record.home
    home.check_thread()
    home.usable(record)
    arriving = station.expect(home)
    arriving.meta = record.meta
    record.holds += 1
    record.used = True

    def give_up(error: FedsockError) -> None:
        record.holds -= 1
        if arriving.state == PENDING and arriving.fail(error):
            station.session.failures.append(untraced(error))
            station.send(messages.encode(messages.Fail(_number(arriving), error.code, str(error)[:10_000])))

    def delivered(_: Any) -> None:
        record.holds -= 1

    def announced(_: Any) -> None:
        # Only now: the value could overtake its announcement on the way through the hub.
        number = home.numbers(1)
        message = messages.Transfer(number, record.id, station.address, _number(arriving))
        home.request(number, Step(delivered, give_up), messages.encode(message))

    station.ask("ping", Step(announced, give_up))
    return arriving


def moved(record: Record, station: Station) -> Record:
    """Return the record of a value on its way to another worker; the source is freed when it is there.

    Args:
        record: of the value; it can't be used any more, unless the transfer fails.
        station: where it goes.
    """
    home = record.home
    arriving = copied(record, station)

    def finished(arrived: Record) -> None:
        if arrived.state == READY:
            record.station = home
            record.free()
        else:
            record.station = home

    if record.station is not RELEASED:
        record.station = MOVED
    arriving.extra().then = finished
    return arriving


def _number(record: Record) -> int:
    return int(record.id)
