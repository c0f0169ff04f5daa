"""A difference in words: of shares in percentage points, since per cent of per cent would be something else."""

from __future__ import annotations

from cases import outcomes


def change_text(value: float, unit: str) -> str:
    """Of two figures of a unit: '0.3 points' where that is '%', else as the figures themselves.

    >>> change_text(0.25, "%"), change_text(-1.0, "%"), change_text(2.5, "$/hour")
    ('0.25 points', '-1 point', '$2.50/hour')
    """
    if unit != "%":
        return outcomes.with_unit(value, unit)
    number = outcomes.with_unit(value, "")
    return f"{number} {'point' if number.lstrip('-') == '1' else 'points'}"
