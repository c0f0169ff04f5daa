"""Draws for whole arrays in compiled code: `draws.NUMPY`, bit for bit, in a pass where that takes twenty."""

from __future__ import annotations

import numpy as np

from simulator import draws
from simulator.kernel_parts import U0, compiled, mix, quantile


def _mix_many(keys: draws.Keys | int, words: draws.Keys | int) -> draws.Keys:
    key, word = (np.ascontiguousarray(np.atleast_1d(values), dtype=np.uint64) for values in (keys, words))
    mixed = np.empty(max(len(key), len(word)), dtype=np.uint64)
    mix_into(mixed, key, word)
    return mixed


def _quantiles(table: draws.Floats, drawn: draws.Keys) -> draws.Floats:
    found = np.empty(len(drawn))
    quantiles_into(found, table.reshape(1, -1), drawn)
    return found


@compiled
def mix_into(mixed: draws.Keys, keys: draws.Keys, words: draws.Keys) -> None:
    """Keys and words: one for each, or one for all."""
    for i in range(np.uint64(len(mixed))):
        mixed[i] = mix(keys[i if len(keys) > 1 else U0], words[i if len(words) > 1 else U0])


@compiled
def quantiles_into(found: draws.Floats, tables: draws.Floats, drawn: draws.Keys) -> None:
    """Of the only table."""
    for i in range(np.uint64(len(found))):
        found[i] = quantile(tables, U0, drawn[i])


COMPILED = draws.Arithmetic(_mix_many, _quantiles)
