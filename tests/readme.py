"""The README taken apart: its sections, the code blocks in them, and what stands between."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

README = (ROOT / "README.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

COMMAND = re.compile(r"^python -m (fedsock|tests)\.\w+")
"""What a command line of fedsock's begins with."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block.

    Attributes:
        language: what stands behind the fence.
        text: what is in it.
    """

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading.

    Attributes:
        title: the heading; "" for what stands before the first one.
        prose: all but the blocks.
        blocks: in order.
    """

    title: str
    prose: str
    blocks: list[Block] = field(default_factory=list)

    def texts(self, language: str) -> list[str]:
        """Return the blocks of a language."""
        return [block.text for block in self.blocks if block.language == language]

    @property
    def commands(self) -> list[str]:
        """Lines of its shell blocks that begin with ``python -m``."""
        return [line for text in self.texts("sh") for line in text.splitlines() if COMMAND.match(line)]


def sections(text: str) -> list[Section]:
    """Return the sections of a Markdown text; a heading within a block is none."""
    found: list[Section] = []
    blocks: list[Block] = []

    def put_aside(match: re.Match[str]) -> str:
        blocks.append(Block(match[1], match[2]))
        return f"\0{len(blocks) - 1}\0"

    for part in re.split(r"^## ", _FENCE.sub(put_aside, text), flags=re.MULTILINE):
        title, _, rest = ("", "", part) if not found else part.partition("\n")
        mine = [blocks[int(number)] for number in re.findall(r"\0(\d+)\0", rest)]
        found.append(Section(title, re.sub(r"\0\d+\0", "", rest), mine))
    return found


SECTIONS = sections(README)


def inline_code(text: str) -> list[str]:
    """Return what stands between single backticks, in order."""
    return re.findall(r"`([^`\n]+)`", text)
