"""What uses what: an order in which everything comes after what it uses, and the circles that have none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def in_order(uses: Mapping[str, Collection[str]]) -> list[str]:
    """The names so that each comes after those it uses; without those in a circle and those that wait for one."""
    waiting = {name: set(used) for name, used in uses.items()}
    users: dict[str, list[str]] = {}
    for name, used in waiting.items():
        for one in used:
            users.setdefault(one, []).append(name)
    order = [name for name, used in waiting.items() if not used]
    for done in order:  # grows while it is walked
        for user in users.get(done, ()):
            waiting[user].discard(done)
            if not waiting[user]:
                order.append(user)
    return order


def circles(uses: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The circles among names that use each other, each once."""
    ordered = set(in_order(uses))
    waiting = {name: used for name, used in uses.items() if name not in ordered}
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in waiting:
        path: list[str] = []
        place: dict[str, int] = {}
        name = start
        while name not in seen:
            seen.add(name)
            place[name] = len(path)
            path.append(name)
            name = min(used for used in waiting[name] if used in waiting)
        if name in place:
            found.append(path[place[name] :])
    return found


def circle_message(circle: Sequence[str]) -> str:
    """What is wrong with a circle."""
    chain = [*circle, circle[0]] if len(circle) < 8 else [*circle[:6], "…", circle[0]]
    return f"goes in a circle: {' -> '.join(chain)}; an estimate must not use itself"
