"""Outcomes: formulas over what a run measured and what the case assumes."""

from __future__ import annotations

from collections.abc import Iterator

from cases.errors import Problem
from cases.spec import Case


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with the outcomes of a case."""
    yield from ()
