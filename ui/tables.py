"""Results as tables and lines, with the baseline's beside them."""

from __future__ import annotations

from html import escape

import streamlit as st

from cases.spec import Case
from simulator.report import class_rows, few_legend, figure_rows, outcome_rows, stage_rows
from simulator.results import SimulationResult

WORDS = {
    "completed": "completed",
    "degraded": "degraded (a fallback, or without an optional stage)",
    "rejected": "rejected",
    "timed_out": "timed out",
    "failed": "failed",
    "superseded": "superseded",
    "in_flight": "still under way",
}


def ends(result: SimulationResult) -> str:
    """How the requests ended; nothing where all were simply completed."""
    counts = {name: count for name, count in result.requests.items() if count and name in WORDS}
    if counts.keys() <= {"completed"}:
        return ""
    said = ", ".join(f"{count:,} {WORDS[name]}" for name, count in counts.items())
    return f"Of {result.requests['offered']:,} requests: {said}."


def latencies(case: Case, result: SimulationResult) -> None:
    """Percentiles and objectives, then by class."""
    table(figure_rows(result), "Latencies and objectives")
    if result.classes:
        st.markdown("**By class of request**")
        table(class_rows(case, result), "Classes of requests")
    if legend := few_legend(result):
        st.caption(plain(legend))


def meaning(case: Case, result: SimulationResult, baseline: Case, reference: SimulationResult | None) -> None:
    """Outcomes, quality and money, beside those of the case as written where that is another result."""
    less = result.quality.value is not None and result.quality.value < 1
    rows = _meaning(case, result, less)
    if rows:
        differs = reference is not None and reference.key != result.key
        before = _meaning(baseline, reference, less) if reference is not None and differs else {}
        st.markdown("**What it means**")
        table([row | _as_written(before, name) for name, row in rows.items()], "What it means")


def _as_written(before: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    return {"As in the case": before.get(name, {}).get("Value", "–")} if before else {}


def _meaning(case: Case, result: SimulationResult, quality: bool) -> dict[str, dict[str, str]]:
    rows = {row["Outcome"]: row for row in outcome_rows(case, result)}
    more = {}
    if quality and result.quality.value is not None:
        more["Quality of the answers, of 1"] = f"{result.quality.value:.4g}"
    if result.cost_usd_per_million_requests is not None:
        more["Cost of a million requests"] = f"${result.cost_usd_per_million_requests:,.4g}"
    return rows | {name: {"Outcome": name, "Value": value, "95 % interval": ""} for name, value in more.items()}


def stages(case: Case, result: SimulationResult) -> None:
    """All stages, and which run this is."""
    table(stage_rows(case, result), "Stages")
    st.caption(f"{result.replications} replications, seed {result.seed}, {result.engine} plane, result {result.key}")


def table(rows: list[dict[str, str]], name: str) -> None:
    """Texts under the keys of the first row; `name` is what a screen reader calls it.

    It may be wider than the window: then it scrolls within itself, by keyboard, too.
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row.values())}</tr>" for row in rows)
    st.html(
        f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def plain(text: str) -> str:
    """Case texts are shown as text: what Markdown would read is escaped."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-!|<>$:~" else c for c in text)
