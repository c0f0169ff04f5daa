"""The accuracy table: what the command wrote, read and never typed.

`python -m simulator validate --full --json > simulator/accuracy.json` writes it. A row that a full run has and a quick
one has not tells the one from the other.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

ACCURACY = Path(__file__).parents[1] / "simulator" / "accuracy.json"
COMMAND = "python -m simulator validate --full --json > simulator/accuracy.json"
KINDS = {
    "simulation": "Simulated and judged",
    "formula": "By formula",
    "shown": "Published, set beside ours",
    "not_offered": "Not offered",
}


class Accuracy(NamedTuple):
    """The rows, and in which mode and when they were written; without rows, why there are none."""

    rows: list[dict[str, Any]]
    written: str
    missing: str


def accuracy(path: Path | None = None) -> Accuracy:
    """What there is."""
    path = path or ACCURACY
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        rows = [row for row in body["rows"] if row["by"] in KINDS]
    except FileNotFoundError:
        return Accuracy([], "", "The accuracy table has not been made on this machine yet.")
    except (OSError, ValueError, KeyError, TypeError):
        return Accuracy([], "", f"{path.name} cannot be read; make it anew with the command below.")
    judged = [row for row in rows if row["by"] == "simulation"]
    full = all(row.get("passed") is not None for row in judged)
    mode = "in full" if full else "quickly, so rows that take long have no value"
    when = body.get("date") or f"{date.fromtimestamp(path.stat().st_mtime):%Y-%m-%d}, by the date of its file"
    return Accuracy(rows, f"The rows were run {mode}; {when}.", "")


def counts(rows: list[dict[str, Any]]) -> str:
    """'120 of 122 simulated rows pass, 2 were not run.'"""
    judged = [row.get("passed") for row in rows if row["by"] == "simulation"]
    said = [f"{judged.count(True)} of {len(judged)} simulated rows pass"]
    if failed := judged.count(False):
        said.append(f"{failed} fail")
    if left := judged.count(None):
        said.append(f"{left} were not run")
    return ", ".join(said) + "."


def cells(row: dict[str, Any]) -> dict[str, str]:
    """A row for a table."""
    return {
        "Id": row["id"],
        "What": "; ".join(str(part) for part in (row.get("name"), row.get("inputs"), row.get("output")) if part),
        "Target": _figure(row.get("target")),
        "Ours": _ours(row),
        "Slack": "" if row.get("slack") is None else f"±{_figure(row['slack'])}",
        "Result": _result(row),
        "Source": row.get("source") or "",
    }


def _ours(row: dict[str, Any]) -> str:
    if row.get("value") is None:
        return "–"
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    return _figure(value) if low is None or high is None else f"{_figure(value)} ({_figure(low)} to {_figure(high)})"


def _result(row: dict[str, Any]) -> str:
    if row["by"] == "not_offered":
        return f"not offered: {row.get('reason') or 'no reason is given'}"
    if row["by"] == "shown":
        return f"shown: {row['reason']}" if row.get("reason") else "shown"
    if row["by"] == "formula":
        return "by formula: the estimators answer for it"
    return {True: "passed", False: "FAILED", None: "not run in this mode"}[row.get("passed")]


def _figure(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, int | float) else str(value or "–")
