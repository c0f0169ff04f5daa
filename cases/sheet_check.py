"""Rules of the sheet that no single field can check: sources exist, claims are of estimates and can be read."""

from __future__ import annotations

from collections.abc import Iterator

from cases.errors import Problem, not_among, shown
from cases.numbers import PREFIX, refers
from cases.references import entries
from cases.texts import Texts
from cases.tree import Tree
from estimators.errors import FormulaError


def check(tree: Tree, texts: Texts, written: bool = False) -> Iterator[Problem]:
    """What is wrong; works on a broken tree too. `written`: it is a case as written, not one with changes."""
    sources = [name for name, _ in entries(tree, "sources")]
    estimates = [name for name, _ in entries(tree, "estimates")]
    for name, entry in entries(tree, "assumptions"):
        basis = entry.get("basis")
        source = basis.get("source") if isinstance(basis, dict) else None
        if isinstance(source, str) and source not in sources:
            yield Problem(f"assumptions.{name}.basis.source", not_among(source, "a source of this case", sources))
        kind = basis.get("kind") if isinstance(basis, dict) else None
        if isinstance(value := entry.get("value"), str) and isinstance(kind, str):
            yield from _of_the_table(f"assumptions.{name}.basis.kind", kind, value, written)
    claims = tree.get("claims")
    for i, claim in enumerate(claims if isinstance(claims, list) else ()):
        if not isinstance(claim, dict):
            continue
        source, of, value = (claim.get(key) for key in ("source", "of", "value"))
        if isinstance(source, str) and source not in sources:
            yield Problem(f"claims.{i}.source", not_among(source, "a source of this case", sources))
        if isinstance(of, str) and of not in estimates:
            yield Problem(f"claims.{i}.of", not_among(of, "an estimate of this case", estimates))
        if isinstance(value, str):
            try:
                texts.quantity(value)
            except FormulaError as error:
                yield Problem(f"claims.{i}.value", str(error))


def _of_the_table(where: str, kind: str, value: str, written: bool) -> Iterator[Problem]:
    """A number of the table has its basis there. A change may put a value of one's own over it."""
    if refers(value) and kind != "number":
        yield Problem(where, f"{shown(value)} has its basis in the table of numbers; write 'basis: {{kind: number}}'")
    if written and kind == "number" and not value.startswith("="):
        yield Problem(
            where, f"basis 'number' is of a number of the table, not of {shown(value)}; write '= {PREFIX}NAME' as value"
        )
