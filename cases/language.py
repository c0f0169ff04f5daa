"""What the case language knows: which keys stand at a place, found by walking the models of `spec`."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cases.nouns import Noun
from cases.spec import Case


def type_at(steps: Sequence[object]) -> Any:
    """The type of what stands at a place; None if the language does not say."""
    annotation: Any = Case
    for step in steps:
        annotation = _inside(annotation, str(step))
    return annotation


def model_at(steps: Sequence[object]) -> type[BaseModel] | None:
    """The model whose keys stand at a place; None where a value, a list or names of one's own stand."""
    found = type_at(steps)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def has_short_form(steps: Sequence[object]) -> bool:
    """Whether a single text can stand for the group at a place: '2 s' for {kind: constant, mean: 2 s}."""
    model = model_at(steps)
    return model is not None and issubclass(model, Noun) and model.SHORT


def keys_at(steps: Sequence[object]) -> list[str]:
    """The keys that the language knows at a place, those that come later last."""
    model = model_at(steps)
    return list(fields(model)) if model else []


@cache
def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by their keys in a file, those that come later last."""
    by_key = {field.alias or name: field for name, field in model.model_fields.items()}
    return dict(sorted(by_key.items(), key=lambda item: comes_later(item[1])))


def comes_later(field: FieldInfo) -> bool:
    """Whether a field is named but not simulated yet."""
    return field.annotation is type(None)


def example(steps: Sequence[object]) -> str | None:
    """What one might write at a place: '12 ms', '{kind: poisson, rate: 50 requests/s}'."""
    parent, model = model_at(steps[:-1]), model_at(steps)
    field = fields(parent).get(str(steps[-1])) if parent else None
    if field is not None and field.examples:
        return str(field.examples[0])
    for extra in field.metadata if field else ():
        schema = getattr(extra, "json_schema", None)
        if isinstance(schema, dict) and schema.get("examples"):
            return str(schema["examples"][0])
    return model.EXAMPLE or None if model is not None and issubclass(model, Noun) else None


def _inside(annotation: Any, step: str) -> Any:
    """What stands one step further; None if the language does not say."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = fields(annotation).get(step)
        return _bare(field.annotation) if field else None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, tuple):
        return _bare(arguments[0])
    return _bare(arguments[1]) if origin is dict else None


def _bare(annotation: Any) -> Any:
    """Without `Annotated[...]` and `... | None`."""
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = arguments[0]
        elif origin in (types.UnionType, typing.Union) and type(None) in arguments:
            annotation = next(a for a in arguments if a is not type(None))
        else:
            return annotation
