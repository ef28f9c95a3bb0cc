"""What messages are made of: types of their fields, with their limits, and what is told of objects and failures."""

from __future__ import annotations

from typing import Annotated

import msgspec

Id = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Ref = Id | Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Tags = Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=100)]
Shape = Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=64)]

EMITTED_MOST = 16
"""Streamed values of one op that are sent before the session has taken the first of them."""

EMITTED_BYTES = 64 << 20
"""Bytes of them; a single one may be larger, up to ``EMITTED_LARGEST``."""

EMITTED_LARGEST = 1 << 30
"""Bytes of one streamed value; no session need take a larger one."""


class Described(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What is told of one object: in offers, searches and listings.

    Attributes:
        id: a session's id, or the name of a data set.
        dtype: its name; None for what is no array, and where it is withheld.
        shape: sizes; None likewise.
        nbytes: bytes held.
        kind: "array", "scalar" (numpy's), or the name of a Python type.
        tags: words it can be searched by.
        description: the owner's or the session's own words.
        private: exports are decided by the owner's policy.
    """

    id: Ref
    dtype: Name | None = None
    shape: Shape | None = None
    nbytes: int | None = None
    kind: Name = "array"
    tags: Tags = []
    description: Text = ""
    private: bool = False


class Offered(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What is told of a task: a function that the owner registered.

    Attributes:
        name: what it is run by.
        about: its first line of words.
    """

    name: Name
    about: Text = ""


class Failure(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The first failure, that of what a failed op depends on."""

    id: Id
    code: Name
    message: Text
    op: Name | None = None
