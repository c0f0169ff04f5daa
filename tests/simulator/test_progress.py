"""What is said on stderr while a run goes on."""

from __future__ import annotations

import io

import pytest
from click.testing import CliRunner
from small_cases import case, stage

from simulator import progress
from simulator.__main__ import cli
from simulator.plan import Plan, plan
from simulator.progress import ProgressLine
from simulator.run import simulate

SLOW = case(stage(service="{kind: exponential, mean: 1 ms}"), rate="100/s")


class Stream(io.StringIO):
    """A terminal, or not."""

    def __init__(self, watched: bool) -> None:
        super().__init__()
        self.watched = watched

    def isatty(self) -> bool:
        return self.watched


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def planned(**more: object) -> Plan:
    return plan(SLOW, **({"requests": 1000, "replications": 2} | more))  # type: ignore[arg-type]


def told(watched: bool, steps: list[tuple[float, float]], which: Plan | None) -> str:
    """What is written when so much is done after so many seconds."""
    stream, clock = Stream(watched), Clock()
    with ProgressLine(which, stream, clock) as line:
        for seconds, done in steps:
            clock.now = 1000.0 + seconds
            line(done)
    return stream.getvalue()


def test_a_terminal_sees_one_line_that_is_written_over() -> None:
    said = told(True, [(0.5, 0.1), (2.0, 0.25), (2.1, 0.26), (4.0, 0.5), (5.0, 1.0)], planned())
    _, first, second, third, wiped, end = said.split("\r")
    # 1,100 requests until the window closes, 100 a second, twice: 22 s in all.
    assert first == "25%, 275 requests/s, 5.5 s simulated, 2.75 of real time, 6 s left"
    assert second.rstrip() == "50%, 275 requests/s, 11 s simulated, 2.75 of real time, 4 s left"
    assert third.rstrip() == "100%, waiting for the last answers"
    assert len(second) >= len(first.rstrip())
    assert len(third) >= len(second.rstrip())
    assert (wiped.strip(), end) == ("", "")
    assert "\n" not in said


def test_waiting_for_the_last_answers_says_how_long() -> None:
    said = told(True, [(2.0, 0.5), (4.0, 1.0), (9.0, 1.0), (124.0, 1.0)], planned())
    words = [line.rstrip() for line in said.split("\r")[2:5]]
    waiting = "100%, waiting for the last answers"
    assert words == [waiting, f"{waiting} for 5 s", f"{waiting} for 120 s"]


def test_a_quick_run_says_nothing() -> None:
    assert told(True, [(0.1, 0.5), (0.9, 1.0)], planned()) == ""
    assert told(False, [(1.0, 0.5), (29.0, 1.0)], planned()) == ""
    result = CliRunner().invoke(cli, ["run", "youtube_recommendations", "--requests", "50", "--replications", "1"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_log_gets_a_line_now_and_then() -> None:
    said = told(False, [(i, i / 100) for i in range(100)], planned())
    assert said.splitlines() == [
        "30%, 22 requests/s, 6.6 s simulated, 0.22 of real time, 70 s left",
        "60%, 22 requests/s, 13.2 s simulated, 0.22 of real time, 40 s left",
        "90%, 22 requests/s, 19.8 s simulated, 0.22 of real time, 10 s left",
    ]


def test_what_nobody_knows_is_not_said() -> None:
    """How many replications a precision takes; how many requests users send who wait for their answers."""
    assert told(True, [(2.0, 0.01)], None).startswith("\r1%\r")
    assert told(True, [(2.0, 0.5)], None).startswith("\r50%, 2 s left\r")
    users = case(stage(), workload="{kind: closed, users: 3, think: 1 s}")
    assert told(True, [(2.0, 0.5)], plan(users, requests=10)).startswith("\r50%, 2 s left\r")


def test_in_the_end_it_says_what_it_came_to() -> None:
    for watched, seconds, expected in (
        (True, 0.9, ""),
        (True, 4.0, "2,000 requests measured in 4 s, 550 requests/s, 22 s simulated, 5.5 of real time\n"),
        (False, 29.0, ""),
        (False, 40.0, "2,000 requests measured in 40 s, 55 requests/s, 22 s simulated, 0.55 of real time\n"),
    ):
        stream, clock = Stream(watched), Clock()
        line = ProgressLine(planned(), stream, clock)
        result = simulate(planned(), "simpy")
        clock.now += seconds
        line.over(planned(), result)
        assert stream.getvalue() == expected


def test_when_windows_close() -> None:
    assert planned().until_windows_close() == (11_000_000_000, 1100)
    assert planned(requests=None, duration=10.0).until_windows_close() == (11_000_000_000, 1100)
    warm = case(stage(), rate="100/s", extra="run: {warm_up: 5 s}")
    assert plan(warm, requests=1000).until_windows_close() == (15_000_000_000, 1500)
    ramp = case(stage(), workload="{kind: schedule, steps: [{for: 10 s, rate: 10/s}, {for: 1 s, rate: 100/s}]}")
    assert plan(ramp, requests=1000).until_windows_close() == (20_000_000_000, 1100)


def test_it_is_on_stderr_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["run", "youtube_recommendations", "--requests", "200", "--json"]
    quiet = CliRunner().invoke(cli, command)
    monkeypatch.setattr(progress, "EACH_LOGGED", 0.0)
    talkative = CliRunner().invoke(cli, command)
    assert talkative.stdout == quiet.stdout
    *lines, last = talkative.stderr.splitlines()
    assert len(lines) > 5
    assert last.startswith("1,000 requests measured in ")
    assert last.endswith(" of real time")
