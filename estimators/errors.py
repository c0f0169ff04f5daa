"""The one exception tree of the project.

    StagecraftError              whatever a person can put right; its message is meant to be read
    ├── FormulaError             here: a quantity, range or formula that cannot be read or evaluated
    ├── CaseError                cases: a case file that does not say what a case says
    ├── DesignError              cases: a path or value that does not fit the case
    └── RunError                 simulator: a run that cannot start or may not go on

A message is one line: what was given, the rule, the remedy. Where it stood (file and line, path,
option) is put in front by whoever knows it.
"""


class StagecraftError(Exception):
    """Root of the tree: catch this to show a message instead of a traceback."""


class FormulaError(StagecraftError):
    """A quantity, range or formula that cannot be read or evaluated."""


def shown(text: str, limit: int = 60) -> str:
    """`text` in quotes on one line, shortened to about `limit` characters, so that a message stays one."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in short) + "'"
