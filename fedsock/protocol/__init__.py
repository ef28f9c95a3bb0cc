"""The protocol "fedsock/1": frames, messages, values, arrays and links (floor 1: errors and typing only).

Nothing here does I/O, reads a clock or knows asyncio: bytes and times come in, bytes and events go out, so that
another language can follow these files as its description of the wire, and tests can run years in a second.
``frames`` says what one WebSocket message holds, ``hubmessages`` what a peer and its hub say to each other,
``messages`` what two peers say over a link, ``values`` and ``arrays`` how data stand in messages, ``link`` how
frames arrive once and in order whatever sockets do.

``tests/vectors/`` holds bytes and what they mean, as JSON files that any language reads: of every frame, message and
kind of value, of what must be refused and how, and of whole conversations. Its README says how to try a peer on them.
"""
