"""What may change in the middle of a run, and what an event makes of the value there."""

from __future__ import annotations

import math
from typing import Any

from cases import design
from cases.errors import DesignError, shown
from cases.fields import Items
from cases.language import type_at
from cases.references import point
from cases.spec import Case
from cases.world_spec import Event
from estimators.errors import FormulaError
from estimators.units import Quantity

# '.*': the group, and whatever stands in it. All else is what a run is built of: distributions, caches, who calls whom.
LIVE_AT_A_STAGE = (
    "replicas", "hop", "timeout", "timeout.mean", "retries.*", "hedge.*", "late_after", "fallback.*", "gives", "keeps",
    "when.share", "queue.limit", "queue.lifo_above", "queue.drop_expired", "admission.*", "external.rate_limit",
    "external.burst", "external.errors", "service.mean", "service.floor", "service.per_item", "errors",
    "cache.hit_ratio", "cache.hit_time", "hot",
)  # fmt: skip
LIVE_AT_THE_CLIENT = ("timeout", "timeout.mean", "retries.*")
FIXED_AT_THE_WORKLOAD = ("kind", "classes", "file", "arrivals", "think", "requests", "gap")


def refused(case: Case, path: str) -> str | None:
    """Why no event may change what stands at a path; None if one may."""
    try:
        design.changed(case.tree, {path: design.REMOVED})
    except DesignError as error:
        return str(error)
    if not _is_live(path.split(".")):
        return f"{shown(path)} cannot change in the middle of a run; change it in a design"
    if path.endswith(".timeout") and isinstance(_standing(case, path), dict):
        return f"{shown(path)} is a distribution; in the middle of a run only '{path}.mean' can change"
    return None


def _is_live(way: list[str]) -> bool:
    live: tuple[str, ...]
    match way:
        case ["workload", key, *_]:
            return key not in FIXED_AT_THE_WORKLOAD
        case ["stages", _, *rest]:
            live = LIVE_AT_A_STAGE
        case ["client", *rest]:
            live = LIVE_AT_THE_CLIENT
        case _:
            return False
    key = ".".join(rest)
    return any(f"{key}.".startswith(one[:-1]) if one.endswith("*") else key == one for one in live)


def _standing(case: Case, path: str) -> Any:
    try:
        return design.get(case.tree, path, guess=False)
    except DesignError:
        return None


def change(case: Case, event: Event) -> dict[str, str]:
    """What a path event changes, as a design would say it (DesignError)."""
    assert event.path is not None
    if event.to is not None:
        return {event.path: event.to}
    assert event.times is not None
    return {event.path: multiplied(case, event.path, event.times)}


def multiplied(case: Case, path: str, factor: float) -> str:
    """The text for so many times what stands at a path, in its unit; what is counted is rounded (DesignError).

    Of a reference, what it stands for is multiplied.
    """
    text = design.text_at(case.tree, path)
    try:
        now = point(case, text)
        unit = case.units.unit_for(now) if text.startswith("=") else case.units.written_unit(text)
        number = case.units.number_in(Quantity(now.value * factor, now.dimension), unit)
    except FormulaError as error:
        raise DesignError(f"{shown(path)} cannot be multiplied: {error}") from None
    if type_at(path.split(".")) in (int, Items):
        number = math.floor(number + 0.5)
    return f"{number:.15g} {unit}".strip()
