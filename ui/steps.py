"""The way back and forth among what was chosen; the browser's own Back and Forward walk the same steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 200  # steps back


@dataclass
class Steps(Generic[T]):
    """What was chosen before what is on show, and what was chosen after it and taken back; each the latest last."""

    past: list[T] = field(default_factory=list)
    future: list[T] = field(default_factory=list)

    def made(self, before: T) -> None:
        """One more step, from `before`. There is nothing to redo any more."""
        self.past = [*self.past, before][-MOST:]
        self.future = []

    def undo(self, now: T) -> T:
        """One step back; stays where there is none."""
        return self._walk(self.past, self.future, now)

    def redo(self, now: T) -> T:
        """One step forth; stays where there is none."""
        return self._walk(self.future, self.past, now)

    def arrived(self, before: T, now: T) -> None:
        """The browser's address is another one: by Back, by Forward, or by a link, which is a step like any other."""
        if self.past and self.past[-1] == now:
            self.undo(before)
        elif self.future and self.future[-1] == now:
            self.redo(before)
        else:
            self.made(before)

    @staticmethod
    def _walk(taken: list[T], left: list[T], now: T) -> T:
        if not taken:
            return now
        left.append(now)
        return taken.pop()
