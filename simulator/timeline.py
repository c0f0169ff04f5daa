"""A replication over time: what came, how it ended, what waited and who was there, step by step.

A `Series` looks at the request plane at control instants and never in between: it costs nothing while requests move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cases.errors import RunError
from simulator import histogram
from simulator.machine import NEVER, Ints, Machine, Whole
from simulator.plane import Ended, RequestPlane
from simulator.semantics import RequestEnd
from simulator.workload import SECOND

Floats = NDArray[np.float64]

MILLISECOND = 1_000_000
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
MOST_ROWS = 10_000
_COUNTS = ("starts", "hits", "coalesced", "errors")
ENDS = tuple(end for end in RequestEnd if end is not RequestEnd.IN_FLIGHT)
COARSE_BINS = (63 - histogram.COARSE) << histogram.COARSE
# Where the coarse bins of latencies begin (ns).
BIN_EDGES: Ints = np.array([histogram.lowest(index, histogram.COARSE) for index in range(COARSE_BINS)], dtype=np.int64)


Mark = tuple[str, int, int]
"""An event of a scenario: its label, when it begins and when it is over (ns; NEVER: it lasts)."""


@dataclass(frozen=True)
class Timeline:
    """One replication over time, all of its requests. Row i covers [times[i-1], times[i]), the first from 0.

    Requests stand in the row in which they ended, `offered` in that in which they arrived. What cannot be given is nan.
    """

    names: tuple[str, ...]
    step: int | None  # ns; None: as the run was looked at
    times: Ints  # ns
    offered: Ints
    ended: Ints  # shape (rows, outcomes): by RequestEnd
    good: Ints  # answered in time for the first latency objective; where there is none, answered
    percentiles: dict[str, list[float | None]]  # ms, of the answered
    latencies: Ints  # shape (rows, COARSE_BINS): the answered, by the bins that begin at BIN_EDGES
    stages: dict[str, Floats]  # by measure, shape (rows, stages)
    marks: tuple[Mark, ...] = ()

    @property
    def waiting(self) -> Floats:
        """Visits waiting at the end of each row, shape (rows, stages)."""
        return self.stages["waiting"]

    @property
    def replicas(self) -> Floats:
        """Those there in each row, on average, shape (rows, stages); nan where there are none of ours."""
        return self.stages["replicas"]

    @property
    def moving(self) -> list[int]:
        """The stages whose replicas come and go, those by most first."""
        spread = np.max(self.replicas, axis=0) - np.min(self.replicas, axis=0)
        return [s for s in np.argsort(-spread, kind="stable").tolist() if spread[s] > 0]

    @property
    def measures(self) -> dict[str, Floats]:
        """Of the whole: numbers of requests, and percentiles in ms."""
        found = {"offered": self.offered.astype(np.float64), "goodput": self.good.astype(np.float64)}
        found |= {end.name.lower(): self.ended[:, end].astype(np.float64) for end in ENDS}
        return found | {f"{name}_ms": np.array(values, dtype=np.float64) for name, values in self.percentiles.items()}

    def frame(self) -> Any:
        """A tidy pandas frame: time_s (the end of the row), stage ('' for the whole), measure, value."""
        import pandas as pd

        seconds = self.times / SECOND
        columns = [("", measure, values) for measure, values in self.measures.items()]
        columns += [(n, m, v[:, s]) for s, n in enumerate(self.names) for m, v in self.stages.items()]
        parts = [
            pd.DataFrame({"time_s": seconds, "stage": stage, "measure": measure, "value": values})
            for stage, measure, values in columns
        ]
        return pd.concat(parts, ignore_index=True)

    def as_json(self) -> dict[str, Any]:
        """Columns of numbers, null where there is none; the events of the scenario beside them."""
        return {
            "step_s": None if self.step is None else self.step / SECOND,
            "time_s": (self.times / SECOND).tolist(),
            "measures": {name: _plain(v, not name.endswith("_ms")) for name, v in self.measures.items()},
            "stages": {
                stage: {name: _plain(values[:, s], name == "waiting") for name, values in self.stages.items()}
                for s, stage in enumerate(self.names)
            },
            "events": [
                {"label": label, "start_s": start / SECOND, "end_s": None if end >= NEVER else end / SECOND}
                for label, start, end in self.marks
            ],
        }


def _plain(values: Floats, whole: bool) -> list[int | float | None]:
    """Numbers for JSON: it has no nan."""
    return [None if value != value else int(value) if whole else value for value in values.tolist()]


class Series:
    """Makes the timeline of a replication.

    `step`: of its rows (ns), if one is stated; `good_within`: the latency (ns) up to which an answer is good.
    """

    def __init__(self, machine: Machine, good_within: int, step: int | None, until: int) -> None:
        if step is not None and until > step * MOST_ROWS:
            raise RunError(
                f"a timeline in steps of {step / SECOND:g} s has {-(-until // step):,} rows; it may have "
                f"{MOST_ROWS:,}: choose a step of at least {until / MOST_ROWS / SECOND:.2g} s"
            )
        self._machine = machine
        self._good_within = good_within
        self._step = step
        self._pending: list[Ended] = []  # ended in the row that is under way
        self._rows: list[_Row] = []
        self._times: list[int] = []
        self._arrived: list[int] = [0]

    def sample(self, now: int, ended: Ended, plane: RequestPlane, row_ends: bool) -> None:
        """Take in what ended since the last sample."""
        self._pending.append(ended)
        if row_ends:
            self._close(now, plane)

    def finish(self, now: int, plane: RequestPlane, names: tuple[str, ...], marks: Sequence[Mark]) -> Timeline | None:
        """The replication is over; None if nobody ever looked."""
        if self._pending:
            self._close(now, plane)
        if not self._rows:
            return None
        rows = self._rows
        return Timeline(
            names=names,
            step=self._step,
            times=np.array(self._times, dtype=np.int64),
            offered=np.diff(self._arrived),
            ended=np.array([row.ended for row in rows]),
            good=np.array([row.good for row in rows], dtype=np.int64),
            percentiles={p: [row.percentiles[i] for row in rows] for i, p in enumerate(PERCENTILES)},
            latencies=np.array([row.latencies for row in rows]),
            stages=self._stages(),
            marks=tuple(marks),
        )

    def _close(self, now: int, plane: RequestPlane) -> None:
        """A row is full."""
        ended, self._pending = Ended.joined(self._pending), []
        self._times.append(now)
        self._arrived.append(plane.arrived)
        latencies, counted = ended.end - ended.arrival, answered(ended.outcome)
        if not counted.all():
            latencies = latencies[counted]
        _, busy, staffed = plane.integrals(now)
        self._rows.append(
            _Row(
                ended=np.bincount(ended.outcome, minlength=len(RequestEnd)),
                good=int(np.count_nonzero(latencies <= self._good_within)),
                percentiles=_exact_percentiles(latencies),
                latencies=np.bincount(histogram.bins_of(latencies, histogram.COARSE), minlength=COARSE_BINS),
                waiting=plane.waiting(),
                busy=busy,
                staffed=staffed,
                joined=plane.joined(),
                counts={name: plane.count(name) for name in _COUNTS},
            )
        )

    def _stages(self) -> dict[str, Floats]:
        """What each stage did, from how much it had done by the end of each row."""
        rows, stages = self._rows, self._machine.stages[:-1]
        ours = np.array([not stage.endless for stage in stages])
        cached = np.array([stage.hit_threshold > 0 or stage.cache_keys > 0 for stage in stages])
        spans = np.maximum(np.diff(self._times, prepend=0), 1)[:, None] / np.ones(len(stages))

        def grown(values: Sequence[Ints | Whole]) -> Floats:
            nothing = np.zeros((1, len(stages)), dtype=object)
            return np.diff(np.array(values, dtype=object), axis=0, prepend=nothing).astype(np.float64)

        def count(name: str) -> Floats:
            return grown([row.counts[name] for row in rows])

        staffed, starts, coalesced = grown([row.staffed for row in rows]), count("starts"), count("coalesced")
        concurrency = np.array([stage.concurrency for stage in stages])
        return {
            "waiting": np.array([row.waiting for row in rows], dtype=np.float64),
            "utilisation": _share(grown([row.busy for row in rows]), np.where(ours, staffed, 0.0)),
            "replicas": np.where(ours, staffed / spans / concurrency, np.nan),
            "arrivals_per_s": grown([row.joined for row in rows]) * SECOND / spans,
            "hit_ratio": _share(count("hits") + coalesced, np.where(cached, starts + coalesced, 0.0)),
            "error_share": _share(count("errors"), starts),
        }


class _Row(NamedTuple):
    """Requests that ended in it, and what stages had done by its end."""

    ended: Ints
    good: int
    percentiles: list[float | None]
    latencies: Ints
    waiting: Ints
    busy: Whole
    staffed: Whole
    joined: Ints
    counts: dict[str, Ints]


def answered(outcome: Ints) -> NDArray[np.bool_]:
    """Which of the requests that ended so got an answer."""
    found: NDArray[np.bool_] = (outcome == _COMPLETED) | (outcome == _DEGRADED)
    return found


_COMPLETED, _DEGRADED = int(RequestEnd.COMPLETED), int(RequestEnd.DEGRADED)  # an enum's names are slow to look up


def _share(part: Floats, whole: Floats) -> Floats:
    """Nan where there is no whole."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _exact_percentiles(latencies: Ints) -> list[float | None]:
    """PERCENTILES of a few values, in ms, by the same definition as the histogram's."""
    if not len(latencies):
        return [None] * len(PERCENTILES)
    places = [histogram.rank(len(latencies), percent) - 1 for percent in PERCENTILES.values()]
    found: list[float | None] = (np.partition(latencies, places)[places] / MILLISECOND).tolist()
    return found
