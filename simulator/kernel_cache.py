"""Where compiled code is kept between runs.

numba looks only at the file in which a compiled function stands when it decides whether kept code is still good. The
kernel is made of several, so that each state of their texts gets a folder of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from numba.core import config

HERE = Path(__file__).parent
# All that the kernel is compiled from, constants included.
SOURCES = (
    *("requests_compiled", "kernel_parts", "kernel_state"),
    *("draws", "histogram", "machine", "plane", "semantics", "visits"),
)


def keep_by_content() -> None:
    """Set numba's cache folder; before anything is compiled."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((HERE / f"{name}.py").read_bytes())
    settings: Any = config
    asked = settings.CACHE_DIR
    base = Path(asked) if asked else HERE / "__pycache__"
    if not asked and not os.access(base if base.exists() else HERE, os.W_OK):
        return  # an installation that one may only read: numba finds a place of its own
    folder = base / f"kernel-{digest.hexdigest()[:16]}"
    for other in base.glob("kernel-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    settings.CACHE_DIR = str(folder)
