"""The words of the case language: values to choose from, truths, names, and how replicas share visits."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import PlainValidator, WithJsonSchema

from cases.errors import near, shown
from cases.fields import not_yet, text_of, wrong


class Balancing(NamedTuple):
    """How the replicas of a stage share its visits; `choices` belongs to least_of."""

    kind: str
    choices: int = 0


BALANCING = ("shared", "random", "round robin", "least outstanding", "hash")
MOST_CHOICES = 16


def _balancing(value: object) -> Balancing:
    if isinstance(value, dict) and len(value) == 1:  # least_of: 2
        value = " ".join(str(part) for part in next(iter(value.items())))
    given = text_of(value, "least_of 2")
    text = " ".join(given.replace("_", " ").split())
    if text in BALANCING:
        return Balancing(text.replace(" ", "_"))
    words = text.split()
    if words[:2] == ["least", "of"] and len(words) == 3 and words[2] in _CHOICES:
        return Balancing("least_of", int(words[2]))
    meant = _OTHERS_SAY.get(text) or near(text, ("least_of 2", *BALANCING))
    listed = ", ".join(f"'{word}'" for word in BALANCING)
    hint = f"did you mean '{meant}'?" if meant else f"write {listed} or 'least_of 2'"
    raise wrong(f"{shown(given)} is not a balancing (of least_of, 2 to {MOST_CHOICES} are drawn); {hint}")


_OTHERS_SAY = {
    "one queue": "shared", "rr": "round robin", "least connections": "least outstanding",
    "least loaded": "least outstanding", "shortest queue": "least outstanding", "power of two": "least_of 2",
    "two choices": "least_of 2", "consistent hash": "hash", "by key": "hash",
}  # fmt: skip
_CHOICES = {str(n) for n in range(2, MOST_CHOICES + 1)}

_CHOICE_SCHEMA = {
    "anyOf": [
        {"enum": [*BALANCING, "round_robin", "least_outstanding"]},
        {"type": "string", "pattern": "^ *least[ _]of +(1[0-6]|[2-9]) *$"},
        {
            "type": "object",
            "properties": {"least_of": {"type": "integer", "minimum": 2, "maximum": MOST_CHOICES}},
            "required": ["least_of"],
            "additionalProperties": False,
        },
    ],
    "description": "How replicas share the visits: one queue for all, or a queue each, chosen at random, in turn, or "
    "the least busy of some drawn, the least busy of all, or by the request's key.",
    "examples": ["least_of 2"],
}
Choice = Annotated[Balancing, PlainValidator(_balancing), WithJsonSchema(_CHOICE_SCHEMA)]

MOST_NAMES = 64


def _names(value: object) -> tuple[str, ...]:
    """A list of names, or one text with commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(isinstance(part, str) and part for part in value):
        raise wrong("a list of names is wanted; write for example '[gateway]'")
    if len(value) > MOST_NAMES:
        raise wrong(f"has {len(value):,} names; at most {MOST_NAMES}")
    return tuple(value)


Names = Annotated[
    tuple[str, ...],
    PlainValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]


def _flag(value: object) -> bool:
    text = text_of(value, "true")
    if text not in ("true", "false"):
        raise wrong(f"{shown(text)} is neither 'true' nor 'false'; write one of them")
    return text == "true"


Flag = Annotated[
    bool, PlainValidator(_flag), WithJsonSchema({"enum": [True, False, "true", "false"], "examples": ["true"]})
]


def choice(
    what: str, now: tuple[str, ...], coming: tuple[str, ...] = (), step: str = "", others: dict[str, str] | None = None
) -> Any:
    """The annotations of a field with a few words to choose from; some of them may come with a later step.

    `others`: words that others use for them, for messages.
    """
    listed = (
        " or ".join([", ".join(f"'{word}'" for word in now[:-1]), f"'{now[-1]}'"]) if len(now) > 1 else f"'{now[0]}'"
    )

    def read(value: object) -> str:
        text = text_of(value, now[0])
        if text in coming:
            raise not_yet(f"{what} '{text}'", step)
        if text not in now:
            meant = (others or {}).get(" ".join(text.replace("_", " ").split())) or near(text, (*now, *coming))
            hint = f"did you mean '{meant}'?" if meant else f"write {listed}"
            raise wrong(f"{shown(text)} is not {article(what)}; {hint}")
        return text

    later_words = ", ".join(f"'{word}'" for word in coming)
    described = {"description": f"Not simulated yet: {later_words}; they come with '{step}'."} if coming else {}
    return PlainValidator(read), WithJsonSchema({"enum": list(now), "examples": [now[0]], **described})


def article(noun: str) -> str:
    """The noun with 'a' or 'an'."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
