"""Rules of the sheet that no single field can check: sources exist, claims are of estimates and can be read."""

from __future__ import annotations

from collections.abc import Iterator

from cases.errors import Problem, not_among
from cases.references import entries
from cases.texts import Texts
from cases.tree import Tree
from estimators.errors import FormulaError


def check(tree: Tree, texts: Texts) -> Iterator[Problem]:
    """What is wrong; works on a broken tree too."""
    sources = [name for name, _ in entries(tree, "sources")]
    estimates = [name for name, _ in entries(tree, "estimates")]
    for name, entry in entries(tree, "assumptions"):
        basis = entry.get("basis")
        source = basis.get("source") if isinstance(basis, dict) else None
        if isinstance(source, str) and source not in sources:
            yield Problem(f"assumptions.{name}.basis.source", not_among(source, "a source of this case", sources))
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
