"""How pointers, handles and multi-pointers show: what is known here, never a request."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from fedsock.session.records import FAILED, MOVED, NESTED, PENDING, RELEASED, Meta, Record


def size(nbytes: int) -> str:
    """Return a number of bytes as people read it."""
    if nbytes < 1024:
        return f"{nbytes} B"
    if nbytes < 1024**2:
        return f"{nbytes / 1024:.1f} KiB"
    return f"{nbytes / 1024**2:.1f} MiB" if nbytes < 1024**3 else f"{nbytes / 1024**3:.1f} GiB"


def state(record: Record) -> str:
    """Return the state of a value in words."""
    if record.station is RELEASED:
        return "released"
    if record.station is MOVED:
        return "moved"
    if record.state == PENDING:
        return "pending"
    if record.state == FAILED:
        return f"failed: {type(record.failure).__name__}"
    return "ready"


def kind(record: Record) -> str:
    """Return what a value is: dtype and shape, or the name of its type."""
    more = record.more
    meta = more.target.meta if more is not None and more.target is not None else record.meta
    return "shape unknown" if meta is None else _kind(meta)


def _kind(meta: Meta) -> str:
    if meta.withheld:
        return "shape withheld"
    if meta.dtype is None or meta.shape is None:
        return meta.kind
    if meta.kind == "scalar":
        return f"{meta.dtype} scalar"
    return f"{meta.dtype}[{','.join(map(str, meta.shape))}]"


def _nbytes(record: Record) -> int | None:
    meta = record.meta
    if meta is None or meta.withheld or meta.shape is None or meta.dtype is None:
        return None if meta is None else meta.nbytes
    count = 1
    for length in meta.shape:
        count *= length
    return count * meta.dtype.itemsize


def facts(record: Record) -> list[tuple[str, str]]:
    """Return what a pointer shows, as (name, text)."""
    found = [
        ("value", kind(record)),
        ("at", record.home.name),
        ("state", state(record)),
        ("id", str(record.id)),
    ]
    more = record.more
    if record.station is NESTED and more is not None and more.target is not None:
        found.append(("points to", f"{more.target.id} at {more.target.home.name}"))
    found.append(("op", record.op))
    nbytes = _nbytes(record)
    if nbytes is not None:
        found.append(("size", size(nbytes)))
    if more is not None and more.tags:
        found.append(("tags", " ".join(more.tags)))
    if more is not None and more.description:
        found.append(("description", more.description))
    return found


def text(record: Record) -> str:
    """Return a pointer in a line."""
    known = dict(facts(record))
    parts = [f"{known['value']} at {known['at']}", known["state"], f"id {known['id']}"]
    if "points to" in known:
        parts.append(f"points to {known['points to']}")
    parts += [f"op {known['op']}", *(known[name] for name in ("size", "tags") if name in known)]
    name = "NestedPointer" if record.station is NESTED else "Pointer"
    return f"<{name} {', '.join(parts)}>"


def html(record: Record) -> str:
    """Return a pointer as a small HTML table."""
    return table("Pointer", facts(record))


def table(caption: str, rows: Iterable[tuple[Any, Any]]) -> str:
    """Return rows of (name, text) as an HTML table; everything in it is escaped."""
    left = 'style="text-align:left"'
    cells = "".join(
        f"<tr><th {left}>{escape(str(name))}</th><td {left}>{escape(str(value))}</td></tr>" for name, value in rows
    )
    return f"<table><caption>{escape(caption)}</caption><tbody>{cells}</tbody></table>"
