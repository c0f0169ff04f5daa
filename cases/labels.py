"""What people call the assumptions, estimates and paths of a case."""

from __future__ import annotations

from cases.spec import Case


def label_of(case: Case, name: str) -> str:
    """The label of an assumption or an estimate, or its name without underscores; a path as it is."""
    spec = case.estimates.get(name) or case.assumptions.get(name)
    return (spec.label if spec is not None else None) or (name if "." in name else name.replace("_", " "))
