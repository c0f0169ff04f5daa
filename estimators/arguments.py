"""What a formula of queueing theory may be given: the checks, their messages, and numbers or arrays alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from estimators.errors import FormulaError

if TYPE_CHECKING:
    import numpy

P = ParamSpec("P")
Values: TypeAlias = "float | numpy.ndarray"
"""A number, or a numpy array of numbers: one for each sample."""


def elementwise(function: Callable[P, Any]) -> Callable[P, Any]:
    """Numbers in, a float out; arrays among them, an array out. The function itself sees equally long 1-d arrays."""

    @wraps(function)
    def on_values(*given: P.args, **named: P.kwargs) -> Any:
        import numpy

        ready = numpy.broadcast_arrays(*(numpy.asarray(one, dtype=float) for one in (*given, *named.values())))
        flat = [one.ravel() for one in ready]
        arguments: Any = function
        result = arguments(*flat[: len(given)], **dict(zip(named, flat[len(given) :], strict=True)))
        return result.reshape(ready[0].shape) if ready[0].shape else float(result[0])

    return on_values


def positive(name: str, values: Values) -> None:
    """FormulaError unless all are finite and above 0."""
    _all(name, values, lambda x: (x > 0) & (x < _INFINITE), "a number above 0", "check what it is computed from")


def not_negative(name: str, values: Values) -> None:
    """FormulaError unless all are finite and at least 0."""
    _all(name, values, lambda x: (x >= 0) & (x < _INFINITE), "a number from 0 up", "check what it is computed from")


def share(name: str, values: Values) -> None:
    """FormulaError unless all are from 0 to 1."""
    _all(name, values, lambda x: (x >= 0) & (x <= 1), "a share from 0 to 1", "write 5 % as 0.05")


def within(name: str, values: Values, remedy: str = "write the 99th percentile as 0.99") -> None:
    """FormulaError unless all are above 0 and below 1."""
    _all(name, values, lambda x: (x > 0) & (x < 1), "a share above 0 and below 1", remedy)


def whole(name: str, values: Values, least: int, most: int) -> None:
    """FormulaError unless all are whole numbers from `least` to `most`."""
    rule = f"a whole number from {least:,} to {most:,}"
    _all(
        name,
        values,
        lambda x: (x >= least) & (x <= most) & (x % 1 == 0),
        rule,
        "round it up, or compute a part at a time",
    )


def steady(load: Values, servers: Values) -> None:
    """FormulaError unless the offered load is below the number of servers everywhere."""
    import numpy

    loads, capacities = numpy.broadcast_arrays(numpy.atleast_1d(load), numpy.atleast_1d(servers))
    for at in numpy.flatnonzero(~(loads < capacities))[:1]:
        raise FormulaError(
            f"the load of {loads[at]:.6g} is at least the capacity of {capacities[at]:.6g}: no steady state, the queue "
            "grows without end; add servers, make the service faster, or send less"
        )


_INFINITE = float("inf")


def _all(name: str, values: Values, good: Callable[[Any], Any], rule: str, remedy: str) -> None:
    import numpy

    array = numpy.atleast_1d(values)
    for bad in array[~good(array)][:1]:
        raise FormulaError(f"the {name} is {bad:.6g}, but must be {rule}; {remedy}")
