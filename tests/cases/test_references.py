"""'= name' and paths in formulas: values that come from elsewhere in the case."""

# ruff: noqa: E501 - messages stand whole beside what they are about

import pytest
from small_texts import desk, desk_text

from cases.build import apply
from cases.errors import CaseError, DesignError
from cases.files import loads
from cases.spec import Case

SHEET = """assumptions:
  daily_total: {value: 4..9 million requests/day, basis: {kind: estimate, note: a guess}}
  answer_time: {value: 5 ms, basis: {kind: estimate, note: a guess}}
estimates:
  mean_rate: {formula: daily_total, unit: request/s}
  busy: {formula: mean_rate * stages.desk.service.mean * 1 replica / 1 request}
"""


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(CaseError) as error:
        loads(text, "f.yaml")
    return [(one.path, one.message) for one in error.value.problems]


def rated(rate: str) -> Case:
    return desk(("50 requests/s", rate), more=SHEET)


def test_an_estimate_an_assumption_and_a_path() -> None:
    assert rated("= mean_rate").workload.rate == pytest.approx(6e6 / 86_400)  # a range stands for its geometric mean
    assert rated("= daily_total").workload.rate == pytest.approx(6e6 / 86_400)
    case = apply(
        rated("= mean_rate"), {"stages.desk.timeout": "= answer_time", "stages.desk.hop": "= stages.desk.timeout"}
    )
    assert case.stages[0].timeout is not None
    assert (case.stages[0].timeout.mean, case.stages[0].hop) == (0.005, 0.005)


def test_spaces_do_not_matter() -> None:
    assert rated("=mean_rate").workload.rate == rated("=   mean_rate").workload.rate


def test_a_reference_follows_what_it_refers_to() -> None:
    before = rated("= mean_rate")
    after = apply(before, {"assumptions.daily_total.value": "8..18 million requests/day"})
    assert before.workload.rate is not None
    assert after.workload.rate == pytest.approx(2 * before.workload.rate)


def test_a_formula_takes_values_by_path() -> None:
    before = rated("= mean_rate")
    after = apply(before, {"stages.desk.service.mean": "24 ms"})
    assert after.sheet.quantities()["busy"].value == pytest.approx(2 * before.sheet.quantities()["busy"].value)


def test_a_formula_does_not_follow_a_reference() -> None:
    assert problems(desk_text(("mean: 12 ms", "mean: = answer_time"), more=SHEET)) == [
        (
            "estimates.busy.formula",
            "'stages.desk.service.mean' is itself '= answer_time'; use that name in the formula",
        )
    ]


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("= mean_rat", "'= mean_rat' names no estimate or assumption; did you mean '= mean_rate'?"),
        ("=", "'= ' names no estimate or assumption; write '= ' and the name of an estimate, assumption or path"),
        ("= answer_time", "'= answer_time' is in s, and a rate is wanted; write for example '50 requests/s'"),
        ("= stages.desk.replicas", "'= stages.desk.replicas' has no unit, and a rate is wanted; write for example '50 requests/s'"),
        ("= stages.desk.service", "'stages.desk.service' is a group, not a value; name a value in it, for example stages.desk.service.kind, stages.desk.service.mean"),
        ("= stages.desc.replicas", "'stages.desc.replicas' is not a path of this case; did you mean 'stages.desk.replicas'?"),
        ("= stages.desk.timeout", "'stages.desk.timeout' has no value in this case; give it one first"),
        ("= workload.rate", "'= workload.rate' goes in a circle: workload.rate -> workload.rate; give one of them a value"),
        ("= stages.desk.name", "'desk': a number is missing"),
        ("= assumptions.daily_total.value", "'4..9 million requests/day' is a range, one value is wanted here"),
        ("= busy", "'= busy' is in replica, and a rate is wanted; write for example '50 requests/s'"),
    ],
)  # fmt: skip
def test_a_reference_that_does_not_work(rate: str, message: str) -> None:
    assert problems(desk_text(("50 requests/s", rate), more=SHEET)) == [("workload.rate", message)]


def test_what_follows_from_a_problem_is_not_reported() -> None:
    broken = SHEET.replace("{formula: daily_total,", "{formula: daily_totals,")
    assert [path for path, _ in problems(desk_text(("50 requests/s", "= busy"), more=broken))] == [
        "estimates.mean_rate.formula"
    ]
    unread = SHEET.replace("4..9 million", "4..9 milion")
    assert [path for path, _ in problems(desk_text(("50 requests/s", "= busy"), more=unread))] == [
        "assumptions.daily_total.value"
    ]


def test_circles_and_long_ways() -> None:
    names = [f"s{i}" for i in range(30)]
    stages = "".join(
        f"  - {{name: {name}, replicas: 1, hop: {hop}, service: {{kind: constant, mean: 1 ms}}}}\n"
        for name, hop in zip(names, [*(f"= stages.{after}.hop" for after in names[1:]), "1 ms"], strict=True)
    )
    head = desk_text().partition("stages:")[0]
    found = problems(f"{head}stages:\n{stages}")
    assert {path for path, _ in found} == {f"stages.s{i}.hop" for i in range(9)}
    assert "leads through more than 20 references" in found[0][1]
    circle = stages.replace("hop: 1 ms", "hop: = stages.s29.hop")
    assert len(problems(f"{head}stages:\n{circle}")) == 30


def test_a_change_may_be_a_reference_too() -> None:
    case = apply(rated("50 requests/s"), {"workload.rate": "= mean_rate"})
    assert case.workload.rate == rated("= mean_rate").workload.rate
    with pytest.raises(DesignError, match=r"^workload\.rate: '= mean_rat' names no estimate"):
        apply(case, {"workload.rate": "= mean_rat"})


def test_the_case_own_counts() -> None:
    sheet = "counts: [heatmap]\nestimates:\n  total: {formula: 5 heatmaps + 2 heatmap}\n"
    assert desk(more=sheet).sheet.quantities()["total"].value == 7
    assert problems(desk_text(more=sheet.replace("counts: [heatmap]\n", "")))[0][0] == "estimates.total.formula"
    changed = apply(desk(more=sheet), {"counts": "heatmap, drawing", "stages.desk.gives": "5 drawings"})
    assert changed.stages[0].gives == (5, "drawing")
