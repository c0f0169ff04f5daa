"""All modules of ours are loaded before the first test, whichever tests run, and in whichever process.

Hypothesis draws from the constants that it finds in loaded modules now and then. With these always the same, so are its
examples: in the whole suite and in one file of it, and in each of the processes that share the tests.
"""

import importlib
import pkgutil
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAVIGATION = (ROOT / "ui" / "main.py").read_text(encoding="utf-8")
PAGES = {"main", *re.findall(r'HERE / "(\w+)\.py"', NAVIGATION)}  # they draw themselves when they are imported

for floor in ("estimators", "cases", "simulator", "walkthrough", "ui"):
    for module in pkgutil.walk_packages([str(ROOT / floor)], f"{floor}."):
        if floor != "ui" or module.name.removeprefix("ui.") not in PAGES:
            importlib.import_module(module.name)
