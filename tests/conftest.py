"""All modules of ours are loaded before the first test, whichever tests run, and in whichever process.

Hypothesis draws from the constants that it finds in loaded modules now and then. With these always the same, so are its
examples: in the whole suite and in one file of it, and in each of the processes that share the tests.

And a case of the catalogue is read once in a process, whoever asks: it takes half a second, and a case is a value.
"""

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

from cases import files
from cases.spec import Case

ROOT = Path(__file__).parents[1]
NAVIGATION = (ROOT / "ui" / "main.py").read_text(encoding="utf-8")
PAGES = {"main", *re.findall(r'HERE / "(\w+)\.py"', NAVIGATION)}  # they draw themselves when they are imported

for floor in ("estimators", "cases", "simulator", "walkthrough", "ui"):
    for module in pkgutil.walk_packages([str(ROOT / floor)], f"{floor}."):
        if floor != "ui" or module.name.removeprefix("ui.") not in PAGES:
            importlib.import_module(module.name)

CATALOG, load = files.CATALOG, files.load
read = cache(load)


def read_once(path: Path, name: str = "") -> Case:
    """`files.load`; nobody writes to the catalogue."""
    return (read if path.parent == CATALOG else load)(path, name)


files.load = read_once
