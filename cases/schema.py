"""The JSON Schema of case files, for editors: made of the models, with what pydantic adds for Python taken away."""

from __future__ import annotations

import json
from typing import Any

from cases.spec import Case


def schema() -> str:
    """The JSON Schema as text; `schema.json` holds it."""
    body = _plain(Case.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stagecraft case"}
    return json.dumps(body | head, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(node: Any, names: bool = False) -> Any:
    """Without nulls (a case file has none), defaults of None and titles made of field names.

    `names`: the keys of this mapping are names of the case language, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _plain(value) for key, value in node.items()}
    kept = {key: value for key, value in node.items() if key != "title" and (key, value) != ("default", None)}
    if isinstance(kept.get("anyOf"), list):
        kinds = [one for one in kept["anyOf"] if one != {"type": "null"}]
        if len(kinds) == 1 and kinds != kept["anyOf"]:
            del kept["anyOf"]
            kept = kinds[0] | kept
            kept.pop("title", None)
    return {key: _plain(value, names=key in ("properties", "$defs")) for key, value in kept.items()}
