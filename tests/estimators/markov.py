"""Markov chains solved as they stand: the witness beside the formulas."""

from collections.abc import Callable, Hashable, Iterable

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

State = Hashable
Moves = Callable[[State], Iterable[tuple[State, float]]]


def steady(start: State, moves: Moves) -> dict[State, float]:
    """The steady state of the chain that `moves` (to, rate) span from `start`; they must keep it finite."""
    order, found = [start], {start: 0}
    rows, columns, rates = [], [], []
    for state in order:  # grows while it is walked
        for to, rate in moves(state):
            if to not in found:
                found[to] = len(order)
                order.append(to)
            rows += [found[to], found[state]]
            columns += [found[state]] * 2
            rates += [rate, -rate]
    size = len(order)
    balance = sparse.csc_array((rates, (rows, columns)), shape=(size, size))
    reduced = balance[1:, 1:]  # the first state is given weight 1
    rest = linalg.spsolve(reduced, -balance[1:, [0]].toarray().ravel()) if size > 1 else np.zeros(0)
    weights = np.concatenate(([1.0], np.atleast_1d(rest)))
    return dict(zip(order, weights / weights.sum(), strict=True))


def mean(chain: dict[State, float], value: Callable[[State], float]) -> float:
    return sum(share * value(state) for state, share in chain.items())
