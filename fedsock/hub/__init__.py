"""The hub: a router without state of its own (floor 6: errors, protocol and transport only).

It lets peers in, knows who is there, and forwards frames; it never reads a body and never decides what may leave.
"""
