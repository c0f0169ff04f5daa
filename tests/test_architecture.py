"""The staircase: every package imports only what is below it, and heavy libraries live where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ["estimators", "cases", "simulator", "walkthrough", "ui", "app"]  # from the ground up
FORBIDDEN = {("simulator", "estimators")}  # two witnesses that do not know each other
OWNERS = {
    "streamlit": {"app.py", "ui/"},
    "starlette": {"app.py"},
    "plotly": {"app.py", "ui/charts.py"},
    "simpy": {
        *("simulator/control.py", "simulator/autoscaler.py", "simulator/fleet.py", "simulator/world.py"),
        "simulator/requests_simpy.py",
    },
    "numba": {"simulator/kernel_parts.py", "simulator/kernel_plain.py", "simulator/kernel_cache.py"},
    "ruamel": {"cases/"},
    "pydantic": {"cases/"},
    "pandas": {"simulator/timeline.py"},
    "jinja2": {"walkthrough/document.py"},
    "markupsafe": {"walkthrough/document.py"},
}
FILES = sorted(
    [ROOT / "app.py", *(path for floor in FLOORS for path in (ROOT / floor).glob("**/*.py"))],
)


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield (node.module or "").partition(".")[0]


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_the_stairs(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    floor = name.partition("/")[0].removesuffix(".py")
    for package in imported(path):
        if package in FLOORS:
            assert FLOORS.index(package) <= FLOORS.index(floor), f"{name} imports {package}, which is above it"
            assert (floor, package) not in FORBIDDEN, f"{name} imports {package}"
        owners = OWNERS.get(package)
        if owners is not None:
            assert any(name == owner or (owner.endswith("/") and name.startswith(owner)) for owner in owners), (
                f"{name} imports {package}, which belongs to {', '.join(sorted(owners))}"
            )


def test_the_pages_know_no_case() -> None:
    ids = [path.stem for path in (ROOT / "cases" / "catalog").glob("*.yaml")]
    assert ids
    for path in [*(ROOT / "ui").glob("**/*.py"), *(ROOT / "ui").glob("**/*.js")]:
        text = path.read_text(encoding="utf-8")
        assert not [one for one in ids if one in text], f"{path.name} names a case"


def test_nothing_is_evaluated() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called = node.func.id
                assert called not in ("eval", "exec", "compile", "__import__"), f"{path.name} calls {called}"
