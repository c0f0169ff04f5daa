"""Three witnesses side by side: they move together, and say why they differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy import optimize

from cases.build import apply
from cases.errors import RunError
from cases.spec import Case
from simulator.plan import plan
from simulator.run import simulate
from tests.simulator.small_cases import case, stage, text
from tests.walkthrough.test_theory_of_cases import response_tail
from walkthrough.__main__ import cli
from walkthrough.reasons import reason
from walkthrough.reconcile import Reconciliation, StageView, reconcile
from walkthrough.theory import Theory

FAST = {"seed": 3, "requests": 4_000}
OBJECTIVE = "objectives: [{metric: latency, percentile: 99, at_most: 300 ms}]\n"


def fleet(
    rate: str = "100 request/s", *more: str, service: str = "{kind: exponential, mean: 40 ms}", **fields: object
) -> Case:
    """A stage of workers of 40 ms each, 4 of which the mean work keeps busy, and 300 ms allowed at p99."""
    served = stage(service=service, **{"replicas": 9, "balancing": "shared"} | fields)
    return case(served, *more, rate=rate, extra=OBJECTIVE)


def view(found: Reconciliation, name: str = "server") -> StageView:
    return next(one for one in found.stages if one.name == name)


def mmc_p99(servers: int, load: float) -> float:
    return optimize.brentq(lambda time: response_tail(servers, load, time) - 0.01, 0.1, 100)


def answer(seen: StageView) -> int:
    assert seen.found is not None
    assert seen.found.answer is not None
    return int(seen.found.answer)


def test_the_three_move_together() -> None:
    """Twice the load: arithmetic doubles exactly, and the other two nearly."""
    once, twice = (view(reconcile(fleet(rate), **FAST)) for rate in ("100 request/s", "200 request/s"))
    assert once.exact == pytest.approx(4.0)
    assert twice.exact == pytest.approx(8.0)
    assert (once.arithmetic, once.theory) == (4, 5)  # M/M/5 at 4 erlangs: p99 of the response is 245 ms
    assert once.theory is not None
    assert twice.theory is not None
    assert once.theory < twice.theory <= 2 * once.theory
    assert abs(answer(once) - once.theory) <= 1
    assert abs(answer(twice) - twice.theory) <= 1


def test_a_looser_objective_needs_fewer_by_theory_and_simulation_but_not_by_arithmetic() -> None:
    tight = fleet()
    loose = apply(tight, {"objectives.0.at_most": "2 s"})
    before, after = (view(reconcile(one, **FAST)) for one in (tight, loose))
    assert before.exact == after.exact
    assert after.theory is not None
    assert before.theory is not None
    assert after.theory <= before.theory
    assert answer(after) <= answer(before)


def test_the_whole_is_judged_by_all_three() -> None:
    found = reconcile(fleet(replicas=5), **FAST)
    (whole,) = found.whole
    assert whole.arithmetic == pytest.approx(40.0, rel=1e-3)
    assert whole.theory == pytest.approx(40 * mmc_p99(5, 4.0), rel=0.02)
    assert whole.simulation.value is not None
    assert whole.simulation.value == pytest.approx(whole.theory, rel=0.25)
    assert found.requests_per_s == 100
    assert found.together is not None
    assert found.together.replicas == {"server": answer(view(found))}
    assert found.together.sentence().startswith("All of these at once: ")


def test_an_overloaded_design_says_who_cannot() -> None:
    (whole,) = reconcile(fleet(replicas=3), [], **FAST).whole
    assert whole.as_json()["theory_ms"] is None
    assert whole.why == "server cannot do the mean work, so the queue grows for as long as the load lasts."


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (fleet(), "4 would be busy all the time, and the queue would grow for ever"),
        (fleet("90 request/s", batch="{size: 8, wait: 30 ms}"), "a batch of 8 waits to fill"),
        (
            fleet("95 request/s", cache="{hit_ratio: 95 %, hit_time: 1 ms}", service="{kind: constant, mean: 780 ms}"),
            "By theory no number of these is enough",
        ),
        (fleet("97 request/s", service="{kind: lognormal, mean: 40 ms, cv: 1.2}"), "service times vary much (cv 1.2)"),
        (fleet("20 request/s"), "one would be 80 % busy, with a wait of 876 ms at p99"),
        (fleet("0.1 request/s"), "one is 0.4 % busy, with waits short: 0 ms"),
        (fleet("4 request/s"), "The mean work decides: one is 16 % busy, with waits for which there is room: "),
    ],
)
def test_reasons(made: Case, says: str) -> None:
    assert says in view(reconcile(made, [], **FAST)).why


def test_a_held_worker_is_the_reason() -> None:
    held = case(
        stage("front", "{kind: constant, mean: 10 ms}", replicas=8, balancing="shared"),
        stage("back", "{kind: constant, mean: 30 ms}", concurrency=50, within="front", hold="true"),
        rate="90 request/s",
        extra=OBJECTIVE,
    )
    front = view(reconcile(held, [], **FAST), "front")
    assert front.arithmetic == 1
    assert front.theory == 4
    assert "its workers are held until back has answered" in front.why


def test_second_tries_are_the_reason() -> None:
    """Half of all attempts fail, so that theory, which leaves that out, asks for too few."""
    tried = case(
        stage(
            "server", "{kind: exponential, mean: 40 ms}", replicas=20, balancing="shared",
            errors="45 %", retries="{attempts: 8}",
        ),
        rate="100 request/s",
        extra="objectives: [{metric: latency, percentile: 99, at_most: 900 ms}]\n",
    )  # fmt: skip
    seen = view(reconcile(tried, **FAST))
    assert answer(seen) > (seen.theory or 0) + 1
    assert "second tries send 8" in seen.why
    assert "more visits, which no mean knows of" in seen.why


def test_others_systems_and_people_have_no_replicas_to_ask_about() -> None:
    mixed = fleet(
        "20 request/s",
        "{name: provider, after: [server], external: true, service: {kind: constant, mean: 5 ms}}",
        "{name: desk, after: [provider], person: {answers: 100 %, desks: 2}, service: {kind: constant, mean: 1 ms}}",
    )
    found = reconcile(mixed, [], **FAST)
    assert [one.name for one in found.stages] == ["server"]
    assert "agree" in found.whole[0].why


def test_a_fleet_that_follows_the_load_is_not_searched() -> None:
    scaled = fleet(replicas=5, autoscaling="{utilisation: 60 %, min: 3, max: 10}")
    seen = view(reconcile(scaled, **FAST))
    assert seen.found is None
    assert seen.theory == 5


def test_requests_of_different_sizes_are_said_to_be_left_out() -> None:
    sizes = "[{name: few, share: 90 %, items: 10 posts}, {name: many, share: 10 %, items: 8000 posts}]"
    served = stage(
        service="{kind: constant, floor: 1 ms, per_item: 20 us, items: posts}", replicas=9, balancing="shared"
    )
    mixed = case(
        served,
        workload=f"{{kind: poisson, rate: 20 request/s, classes: {sizes}}}",
        extra=OBJECTIVE,
    )
    assert "items of which some requests bring more than others" in reconcile(mixed, [], **FAST).left_out


def test_what_cannot_be_told_is_said_so() -> None:
    """Right at the target no number of requests tells; the sentence names what was tried."""
    found = view(reconcile(fleet(), **FAST)).found
    assert found is not None
    for undecided, says in ((("5", "5"), "whether 5 will do"), (("5", "6"), "which of 5 to 6 will do")):
        unsure = replace(found, undecided=undecided)
        theory = Theory(fleet())
        seen = simulate(plan(fleet(), requests=500)).stages["server"]
        assert says in reason(theory, "server", 5, unsure, seen)


def test_a_case_without_replicas_is_answered_all_the_same() -> None:
    provider = "{name: provider, external: true, service: {kind: constant, mean: 5 ms}}"
    nobody = case(provider, rate="20 request/s", extra=OBJECTIVE)
    found = reconcile(nobody, **FAST)
    assert found.stages == ()
    assert "No stage has replicas to ask about." in found.report()
    with pytest.raises(RunError, match="'x' is no stage with replicas; this case has none to search for"):
        reconcile(nobody, ["x"])


def test_the_working_of_arithmetic_is_shown() -> None:
    seen = view(reconcile(fleet(), [], **FAST))
    assert seen.working == "100 visits/s × 40 ms ÷ 1 worker = 4"


def test_only_the_stages_asked_for_are_searched() -> None:
    two = fleet("100 request/s", stage("after", "{kind: constant, mean: 1 ms}", after="[server]"))
    found = reconcile(two, ["after"], **FAST)
    assert view(found).found is None
    assert view(found, "after").found is not None
    assert found.together is None


def test_messages() -> None:
    with pytest.raises(RunError, match=r"'nobody' is no stage with replicas; choose among server"):
        reconcile(fleet(), ["nobody"])
    with pytest.raises(RunError, match=r"states no latency objective.*add for example 'objectives:"):
        reconcile(case(stage()))


def test_the_command(tmp_path: Path) -> None:
    served = stage(service="{kind: exponential, mean: 40 ms}", replicas=5, balancing="shared")
    file = tmp_path / "small.yaml"
    file.write_text(text(served, rate="100 request/s", extra=OBJECTIVE), encoding="utf-8")
    often = [str(file), "--reconcile", "--requests", "2000"]
    shown, printed, wrong = (CliRunner().invoke(cli, [*often, *more]) for more in ([], ["--json"], ["--stage", "x"]))
    assert shown.exit_code == 0
    assert "Replicas needed, each stage for itself:" in shown.output
    found = json.loads(printed.stdout)
    assert found.keys() == {
        "case", "key", "requests_per_s", "whole", "stages", "together", "theory_leaves_out",
    }  # fmt: skip
    assert found["stages"]["server"].keys() == {
        "as_designed", "arrivals_per_s", "work_ms", "arithmetic", "theory", "simulation", "why",
    }  # fmt: skip
    assert found["whole"][0].keys() == {
        "percentile", "target_ms", "arithmetic_ms", "theory_ms", "simulation_ms", "why",
    }  # fmt: skip
    assert wrong.exit_code == 1
    assert wrong.stderr == "'x' is no stage with replicas; choose among server\n"
