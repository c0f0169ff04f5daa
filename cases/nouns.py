"""What all nouns of the case language are made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

from cases.fields import CASES, NAME_PATTERN, later_field

LaterCases = Annotated[None, *later_field(CASES)]

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Prose = Annotated[str, StringConstraints(max_length=5_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Text = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]  # a value that is read with the whole case


class Noun(BaseModel):
    """What all nouns share: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    EXAMPLE: ClassVar[str] = ""  # what one might write, for messages
    SHORT: ClassVar[bool] = False  # a single text can stand for it


def short_for(key: str, kinds: Any, **more: str) -> BeforeValidator:
    """The annotation of a group that a single text can stand for: the text is its `key`. `kinds`: what may stand."""

    def read(value: object) -> object:
        return {key: value, **more} if isinstance(value, str) else value

    return BeforeValidator(read, json_schema_input_type=kinds)
