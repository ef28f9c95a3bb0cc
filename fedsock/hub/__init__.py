"""The hub: lets peers in, knows who is here, forwards frames (floor 6; imports errors, protocol, transport).

It never reads a body and never decides what may leave a worker, so it needs to know nothing of ops, values or
policies, and it must not know workers and sessions: they meet in messages. ``router`` is the whole logic,
without I/O; ``member`` is one peer; ``registry`` reads the token file and knows whose a token is; ``server`` gives
the router sockets, tasks and a clock.
"""
