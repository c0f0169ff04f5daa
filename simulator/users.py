"""Who sends the requests of a closed loop: luck for each user."""

from __future__ import annotations

import numpy as np

from simulator import draws


class UserStream:
    """The users of one replication. Each is a source of requests: request n of a user has the key mix(its key, n)."""

    def __init__(self, seed: int, replication: int) -> None:
        self._stream = draws.mix(draws.mix(seed & draws.MASK, 0), replication)

    def keys(self, first: int, until: int) -> draws.Keys:
        """The keys of users `first` to `until` (excluded)."""
        return draws.mix_many(self._stream, np.arange(first, max(first, until), dtype=np.uint64))
