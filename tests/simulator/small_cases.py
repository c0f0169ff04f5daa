"""Small cases as text, for the tests that go the whole way from a case file to a result."""

from __future__ import annotations

from cases.files import loads
from cases.spec import Case


def stage(name: str = "server", service: str = "{kind: exponential, mean: 1 s}", **fields: object) -> str:
    """A stage as a line of YAML; one replica of one worker unless said otherwise."""
    lines = {"name": name, "replicas": 1, "service": service} | fields
    return "{" + ", ".join(f"{key}: {value}" for key, value in lines.items()) + "}"


def text(*stages: str, rate: str = "0.5 request/s", workload: str = "", extra: str = "") -> str:
    """A case file."""
    load = workload or f"{{kind: poisson, rate: {rate}}}"
    body = "\n".join(f"  - {line}" for line in (stages or (stage(),)))
    return f"format: 1\nid: small\ntitle: Small\nquestion: Does it hold?\nworkload: {load}\nstages:\n{body}\n{extra}\n"


def case(*stages: str, rate: str = "0.5 request/s", workload: str = "", extra: str = "") -> Case:
    """A case, checked."""
    return loads(text(*stages, rate=rate, workload=workload, extra=extra), "small.yaml")
