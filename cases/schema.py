"""The JSON Schema of case files, for editors: made of the models, with what pydantic adds for Python taken away."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from typing import Any

from cases import service_spec, serving, spec, story_spec, workload_spec, world_spec
from cases.nouns import Noun
from cases.spec import Case


def schema() -> str:
    """The JSON Schema as text; `schema.json` holds it."""
    body = Case.model_json_schema()
    for model, described in _docstrings().items():
        part = body if model == Case.__name__ else body["$defs"].get(model)
        for key, text in described.items() if part else ():
            _describe(part["properties"][key], text)
    body = _plain(body)
    body["properties"]["format"]["enum"] = [1, "1"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stagecraft case"}
    return json.dumps(body | head, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _docstrings() -> dict[str, dict[str, str]]:
    """What stands below the fields of the models, also of those that they are made of: by model and key."""
    own: dict[type, dict[str, str]] = {}
    for module in (service_spec, serving, workload_spec, world_spec, story_spec, spec):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                own[getattr(module, node.name)] = dict(_described(node))
    return {
        model.__name__: {
            field.alias or name: text
            for name, field in model.model_fields.items()
            if (text := next((own[base][name] for base in model.__mro__ if name in own.get(base, {})), None))
        }
        for model in own
        if issubclass(model, Noun)
    }


def _described(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """The fields of a class with the texts below them."""
    for one, below in itertools.pairwise(node.body):
        match one, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, text


def _describe(field: dict[str, Any], text: str) -> None:
    """Say what a field is for; what its kind says comes after that."""
    kind = field.get("description") or next(
        (o["description"] for o in field.get("anyOf", []) if "description" in o), ""
    )
    field["description"] = f"{text[0].upper()}{text[1:]}." + (
        f" {kind[0].upper()}{kind[1:].rstrip('.')}." if kind else ""
    )


def _plain(node: Any, names: bool = False) -> Any:
    """Without nulls (a case file has none), titles made of field names, and defaults that are no plain text or number.

    `names`: the keys of this mapping are names of the case language, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _plain(value) for key, value in node.items()}
    kept = {key: value for key, value in node.items() if key != "title"}
    if not isinstance(kept.get("default", ""), str | int):
        del kept["default"]
    kinds = [one for one in kept.get("anyOf", []) if one != {"type": "null"}]
    if kinds:
        kept["anyOf"] = kinds
    if len(kinds) == 1:
        del kept["anyOf"]
        kept = {key: value for key, value in kinds[0].items() if key != "title"} | kept
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return {
        key: _plain(value, names=key in ("properties", "$defs", "patternProperties")) for key, value in kept.items()
    }
