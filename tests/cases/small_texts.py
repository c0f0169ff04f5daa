"""Small case files for the tests of this folder."""

from cases.files import loads
from cases.spec import Case

DESK = """format: 1
id: desk
title: One desk
question: How long does a request wait?
workload: {kind: poisson, rate: 50 requests/s}
stages:
  - {name: desk, replicas: 1, service: {kind: exponential, mean: 12 ms}}
"""


def desk(*replacements: tuple[str, str], more: str = "") -> Case:
    """The smallest case, with texts replaced and lines added."""
    return loads(desk_text(*replacements, more=more), "desk.yaml")


def desk_text(*replacements: tuple[str, str], more: str = "") -> str:
    """Its text."""
    text = DESK
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text + more
