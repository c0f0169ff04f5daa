"""The story of a case: its steps, in the order in which they are told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cases.fields import Span, wrong
from cases.nouns import Noun, Prose, Title
from cases.words import choice

SECTIONS = {
    "clarify": "Clarifying questions",
    "metrics": "Metrics",
    "framing": "Framing",
    "data": "Data and labels",
    "features": "Features",
    "models": "Models, the simple one first",
    "evaluation": "Offline evaluation",
    "serving": "Serving",
    "estimation": "Estimation",
    "load_test": "Load test",
    "scaling": "Scaling",
    "rollout": "Rollout",
    "monitoring": "Monitoring and retraining",
    "failures": "Failure modes",
    "tradeoffs": "Trade-offs and cost",
}  # in this order; with the titles of steps that have none of their own
_OTHERS_SAY = {
    "requirements": "clarify", "questions": "clarify", "labels": "data", "model": "models", "training": "models",
    "offline evaluation": "evaluation", "architecture": "serving", "capacity": "estimation",
    "back of the envelope": "estimation", "load": "load_test", "deployment": "rollout", "ab test": "rollout",
    "retraining": "monitoring", "failure modes": "failures", "trade-offs": "tradeoffs", "trade offs": "tradeoffs",
    "cost": "tradeoffs",
}  # fmt: skip

MOST_STEPS = 60
MOST_LINES = 12
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Step(Noun):
    """What is told in one go: what stands on the slide, what the picture shows, and what the speaker says.

    In answers, lines and notes '{latency_p99 in rush with more_rankers as ms}' quotes a live number.
    """

    EXAMPLE = "{step: metrics, says: ['{share_completed} of the requests are answered in full']}"

    step: Annotated[str, *choice("step", tuple(SECTIONS), others=_OTHERS_SAY)]
    """the section that it belongs to"""
    title: Title | None = None
    """as the slide calls it; the section's own unless said"""
    asks: dict[Title, Line] = Field(
        default={}, max_length=MOST_LINES, examples=["{How fast?: 'within {objectives.0.at_most}'}"]
    )
    """questions with the answers that are assumed"""
    says: list[Line] = Field(default=[], max_length=MOST_LINES, examples=["[one short line, another]"])
    """lines that stand on the slide"""
    notes: Prose | None = None
    """what the speaker says"""
    design: str | None = None
    """on show; the case as written unless said"""
    scenario: str | None = None
    """on show: the problem"""
    fix: str | None = None
    """the design that mends it, in the same scenario"""
    stage: str | None = None
    """the stage that is lit"""
    at: Span | None = None
    """where the clock stands, from the start of the simulated time"""

    @model_validator(mode="after")
    def _complete(self) -> Step:
        if self.step == "clarify" and not self.asks:
            raise wrong("the step 'clarify' asks questions; write for example 'asks: {How fast?: within 200 ms}'")
        if not self.asks and not self.says:
            raise wrong("has nothing on its slide; add 'says', a list of short lines")
        if self.fix is not None and self.scenario is None:
            raise wrong("'fix' needs the 'scenario' that it mends; name one of the case's scenarios")
        if self.fix is not None and self.fix == (self.design or "baseline"):
            raise wrong(f"'fix' is the design on show, '{self.fix}'; name the design that mends the scenario")
        return self

    @property
    def shown_title(self) -> str:
        """Its own title, else the section's."""
        return self.title or SECTIONS[self.step]
