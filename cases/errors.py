"""What can be wrong with a case, a design or a run. The tree is drawn in `estimators.errors`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from estimators.errors import StagecraftError, shown

__all__ = ["CaseError", "DesignError", "Problem", "RunError", "StagecraftError", "shown"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: at which path of the case, and what (given, rule, remedy)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class CaseError(StagecraftError):
    """A case file that does not say what a case says: all of its problems at once, a line each."""

    def __init__(self, problems: Iterable[Problem], where: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        places = tuple(where) or ("",) * len(self.problems)
        lines = (f"{place}: {problem}" if place else str(problem) for place, problem in zip(places, self.problems, strict=True))
        super().__init__("\n".join(lines))


class DesignError(StagecraftError):
    """A path or a value that does not fit the case."""


class RunError(StagecraftError):
    """A run that cannot start or may not go on."""
