"""A peer's socket and its links (floor 3: errors, protocol and transport only).

Sessions and workers are both peers of a hub: the same hello, the same links, the same way back after a loss.
"""
