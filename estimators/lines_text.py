"""What was typed, printed: for reading, as JSON, and as the sections that a case has."""

from __future__ import annotations

import json
from typing import Any

from estimators.check import verdict_json
from estimators.lines import SOURCE, Answer, Lines
from estimators.units import Range, Units

MAX_NOTE = 1_000


def readable(lines: Lines) -> str:
    """Each line's working and value, then its interval, note and verdict."""
    return "\n".join("\n    ".join(_read(answer, lines.sheet.units)) for answer in lines.answers)


def _read(answer: Answer, units: Units) -> list[str]:
    line = answer.line
    found = [str(answer.working) if answer.working else f"{line.name} = {line.text}"]
    if interval := interval_text(answer, units):
        found.append(interval)
    if answer.note:
        found.append(f"note: {answer.note}")
    if answer.verdict:
        found += [f"stated: {answer.verdict.stated.text}", answer.verdict.sentence]
    return found


def interval_text(answer: Answer, units: Units) -> str:
    """'90 % interval 97 to 359 users/s', '' where no range lies beneath."""
    result = answer.result
    if result is None or result.low is None or result.high is None:
        return ""
    low, high = (units.format(end, answer.unit) for end in (result.low, result.high))
    return f"90 % interval {low} to {high}"


def as_json(lines: Lines) -> dict[str, Any]:
    """As `cases sheet --json`, with the line of each and the assumptions beside; numbers are in `unit`."""
    units = lines.sheet.units
    assumptions, estimates, claims = {}, {}, []
    for answer in lines.answers:
        line = answer.line
        if answer.result is None:
            assumptions[line.name] = _ends(answer, units) | {"line": line.number}
            continue
        estimates[line.name] = {
            **_ends(answer, units),
            "working": str(answer.working),
            "note": answer.note,
            "line": line.number,
        }
        if answer.verdict is not None:
            says = f"{line.text} = {answer.verdict.stated.text}"
            verdict = verdict_json(answer.verdict, answer.verdict.computed, answer.verdict.unit, units)
            claims.append({"says": says, **verdict, "of": line.name, "line": line.number})
    return {"counts": list(lines.nouns), "assumptions": assumptions, "estimates": estimates, "claims": claims}


def _ends(answer: Answer, units: Units) -> dict[str, Any]:
    value = answer.value
    spread = value if isinstance(value, Range) else answer.result
    low, high = (spread.low, spread.high) if spread else (None, None)
    point = value.point if isinstance(value, Range) else value
    ends = {"value": point, "low": low, "high": high}.items()
    numbers = {name: units.number_in(end, answer.unit) if end is not None else None for name, end in ends}
    return numbers | {"unit": answer.unit}


def as_yaml(lines: Lines) -> str:
    """The sections `counts`, `assumptions`, `estimates`, `claims` and `sources` of a case file."""
    values = {one.name: one.value.text for one in lines.sheet.assumptions}
    units = {one.name: one.unit for one in lines.sheet.estimates}
    assumptions, estimates = {}, {}
    for line in lines.lines:
        note = {"note": line.comment[:MAX_NOTE]} if line.comment else {}
        if line.formula is None:
            basis = {"kind": "estimate", "note": "typed in a sheet"}
            assumptions[line.name] = {"value": values[line.name], "basis": basis, **note}
        else:
            unit = {"unit": units[line.name]} if units[line.name] else {}
            estimates[line.name] = {"formula": line.formula.text, **unit, **note}
    claims = [
        {"says": claim.says, "of": claim.of, "value": claim.value.text, "source": claim.source}
        for claim in lines.claims
    ]
    sections = [
        f"counts: [{', '.join(lines.nouns)}]" if lines.nouns else "",
        *_section("assumptions", [f"{name}: {_flow(one)}" for name, one in assumptions.items()]),
        *_section("estimates", [f"{name}: {_flow(one)}" for name, one in estimates.items()]),
        *_section("claims", [f"- {_flow(one)}" for one in claims]),
        *_section("sources", [f"{SOURCE}: {_flow({'title': 'Typed in a sheet'})}"] if claims else []),
    ]
    return "\n".join(line for line in sections if line) + "\n"


def _section(name: str, entries: list[str]) -> list[str]:
    return [f"{name}:", *(f"  {entry}" for entry in entries)] if entries else []


def _flow(value: dict[str, Any] | str) -> str:
    """A value on one line of YAML: JSON's quotes are YAML's."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
