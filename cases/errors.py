"""What can be wrong with a case, a design or a run. The tree is drawn in `estimators.errors`."""

from __future__ import annotations

import difflib
import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from estimators.errors import FormulaError, StagecraftError, shown

__all__ = [
    "CaseError",
    "Consequence",
    "DesignError",
    "Problem",
    "RunError",
    "StagecraftError",
    "near",
    "not_among",
    "shown",
    "unfit",
]

MOST_SHOWN = 50  # problems in one message
LONGEST_PATH, LONGEST_MESSAGE = 160, 500  # characters


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: at which path of the case, and what (given, rule, remedy)."""

    path: str
    message: str

    def __str__(self) -> str:
        path, message = shown(self.path, LONGEST_PATH)[1:-1], shown(self.message, LONGEST_MESSAGE)[1:-1]
        return f"{path}: {message}" if path else message


def _lines(problems: Iterable[Problem], places: Iterable[str]) -> str:
    """A line for each problem, up to what somebody would read."""
    lines = [f"{place}: {problem}" if place else str(problem) for place, problem in zip(places, problems, strict=True)]
    more = len(lines) - MOST_SHOWN
    return "\n".join(lines[:MOST_SHOWN] + ([f"... and {more:,} more; put these right first"] if more > 0 else []))


class CaseError(StagecraftError):
    """A case file that does not say what a case says: all of its problems at once, a line each."""

    def __init__(self, problems: Iterable[Problem], where: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        self.where = tuple(where) or ("",) * len(self.problems)
        super().__init__(_lines(self.problems, self.where))

    def __reduce__(self) -> tuple[type[CaseError], tuple[tuple[Problem, ...], tuple[str, ...]]]:
        return type(self), (self.problems, self.where)


class DesignError(StagecraftError):
    """A path or a value that does not fit the case. `problems` says at which paths, where that is known."""

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DesignError:
        """All of these at once, a line each."""
        found = tuple(problems)
        return cls(_lines(found, ("",) * len(found)), found)


class Consequence(FormulaError):
    """A reference to a name that has no value because of a problem that is reported for it."""


class RunError(StagecraftError):
    """A run that cannot start or may not go on."""


def near(given: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of the known names that was probably meant. Looks at a thousand of them: up to a tenth of a second."""
    if len(given) > 100:
        return None
    candidates = list(itertools.islice(known, 1000))
    found = difflib.get_close_matches(given, candidates, 1, cutoff) or difflib.get_close_matches(
        given.lower(), candidates, 1, cutoff
    )
    return found[0] if found else None


def not_among(given: str, what: str, known: Iterable[str]) -> str:
    """The message for a name that names none of `what` ('a stage'), with the likely one or what there is."""
    names = list(known)
    meant = near(given, names)
    there_is = ", ".join(name[:40] for name in names[:12]) + (", ..." if len(names) > 12 else "")
    hint = f"did you mean '{meant}'?" if meant else f"there {'is' if len(names) < 2 else 'are'} {there_is or 'none'}"
    return f"{shown(given)} is not {what}; {hint}"


def unfit(text: str) -> str | None:
    """Why a text cannot stand in a case: control characters and what turns the direction of writing are not read."""
    for character in text if not text.isprintable() else "":
        if (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t") or character in _TURNING:
            return f"the character U+{ord(character):04X} is not read in a case; leave it out"
    return None


_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
