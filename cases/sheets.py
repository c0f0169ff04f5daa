"""A case's sheet as results: estimates with workings, claims with verdicts."""

from __future__ import annotations

from typing import Any

from cases.labels import label_of
from cases.spec import Case, ClaimSpec
from estimators.claims import Verdict, judge
from estimators.sheet import Result
from estimators.units import Quantity


def estimates(case: Case) -> dict[str, Result]:
    """Every estimate, computed, with its interval where ranges lie beneath."""
    return case.sheet.evaluate()


def judged_claims(case: Case) -> list[tuple[ClaimSpec, Verdict]]:
    """Every claim with its verdict against the case's own numbers."""
    results = estimates(case)
    verdicts = []
    for claim in case.claims:
        result = results[claim.of]
        stated = case.units.quantity(claim.value)
        verdicts.append((claim, judge(stated, result.value, result.low, result.high, units=case.units)))
    return verdicts


WORST_FIRST = ("wrong_dimension", "too_high", "too_low", "rounded", "supported")


def far_off(case: Case) -> tuple[int, int]:
    """How many of the case's claims are neither supported nor rounded, and how many there are."""
    judged = judged_claims(case)
    return sum(v.verdict not in ("supported", "rounded") for _, v in judged), len(judged)


def sheet_json(case: Case) -> dict[str, Any]:
    """The contract of `cases sheet --json`: an estimate's numbers are in its `unit`, a claim's in the claim's."""

    def number(quantity: Quantity | None, unit: str) -> float | None:
        return None if quantity is None else case.units.number_in(quantity, unit)

    rows = {
        name: {
            "value": number(result.value, result.unit),
            "low": number(result.low, result.unit),
            "median": number(result.median, result.unit),
            "high": number(result.high, result.unit),
            "unit": result.unit,
            "working": str(result.working),
        }
        for name, result in estimates(case).items()
    }
    claims = [_claim_json(case, claim, verdict) for claim, verdict in judged_claims(case)]
    return {"case": case.id, "estimates": rows, "claims": claims}


def _claim_json(case: Case, claim: ClaimSpec, verdict: Verdict) -> dict[str, Any]:
    comparable = verdict.verdict != "wrong_dimension"
    unit = verdict.unit if comparable else case.units.unit_for(verdict.computed)
    return {
        "says": claim.says,
        "stated": case.units.number_in(verdict.stated, verdict.unit),
        "computed": case.units.number_in(verdict.computed, unit),
        "unit": verdict.unit,
        "ratio": verdict.ratio,
        "verdict": verdict.verdict,
        "slip": verdict.slip,
        "sentence": verdict.sentence,
        "of": claim.of,
        "source": claim.source,
        **({} if comparable else {"computed_unit": unit}),
    }


def sheet_text(case: Case) -> str:
    """The sheet for reading in a terminal."""
    lines = [case.title, ""]
    for name, result in estimates(case).items():
        value = case.units.format(result.value, result.unit)
        lines.append(f"{label_of(case, name)}: {value}{interval_text(case, result)}")
        lines.append(f"    {result.working}")
    if case.claims:
        lines += ["", "What the sources say"]
    for claim, verdict in judged_claims(case):
        lines.append(f"  {verdict.verdict.upper().replace('_', ' ')}: {claim.says}")
        lines.append(f"    {verdict.sentence}")
        lines += [f"    {' '.join(claim.note.split())}"] if claim.note else []
    return "\n".join(lines)


def interval_text(case: Case, result: Result) -> str:
    """The median and the 90 % interval, to be read after the value; '' where no range lies beneath."""
    if result.low is None or result.median is None or result.high is None:
        return ""
    low, median, high = (case.units.format(q, result.unit) for q in (result.low, result.median, result.high))
    return f"  (median {median}, 90 %: {low} to {high})"
