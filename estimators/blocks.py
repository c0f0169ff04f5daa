"""The building blocks of a sheet: documented functions of the formula language, each with source and example.

`FUNCTIONS` is all that a formula may call. How a block is defined: `definitions`; the rows: `blocks_data` and
`blocks_fleet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from estimators import blocks_data, blocks_fleet
from estimators.definitions import Block
from estimators.functions import PRIMITIVES, Function

BLOCKS: dict[str, Block] = {
    block.name: block
    for rows in (*blocks_data.SECTIONS.values(), *blocks_fleet.SECTIONS.values())
    for block in rows
}  # fmt: skip

SECTIONS: dict[str, tuple[str, ...]] = {
    "Calculator": tuple(PRIMITIVES),
    **{
        section: tuple(block.name for block in rows)
        for section, rows in (blocks_data.SECTIONS | blocks_fleet.SECTIONS).items()
    },
}
"""names as a reader would look for them"""


class _Functions(Mapping[str, Function]):
    """By name. A block becomes a function when it is first asked for: to read them all takes longer than to answer."""

    def __getitem__(self, name: str) -> Function:
        return PRIMITIVES[name] if name in PRIMITIVES else BLOCKS[name].function

    def __contains__(self, name: object) -> bool:
        return name in PRIMITIVES or name in BLOCKS

    def __iter__(self) -> Iterator[str]:
        yield from PRIMITIVES
        yield from BLOCKS

    def __len__(self) -> int:
        return len(PRIMITIVES) + len(BLOCKS)


FUNCTIONS: Mapping[str, Function] = _Functions()
