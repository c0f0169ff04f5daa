"""Numbers to know: the table, its ages, how a case takes a number from it, and what if one is three times off."""

# ruff: noqa: E501 - messages stand whole beside what they are about

import json
import subprocess
import sys
from datetime import date

import pytest
from click.testing import CliRunner
from small_texts import desk, desk_text

from cases import number_report, what_if
from cases.__main__ import cli
from cases.build import apply
from cases.errors import CaseError, DesignError
from cases.files import loads
from cases.knobs import stops
from cases.numbers import OLD, Number, age, assumed, first_day, from_table, provenance, read, table
from cases.references import point
from cases.spec import Case
from estimators.claims import judge
from estimators.errors import FormulaError
from estimators.units import Quantity, Range, Units

TODAY = date(2026, 11, 26)
UNITS = Units()


def value(name: str, unit: str) -> float:
    given = table()[name].quantity
    return UNITS.number_in(given.point if isinstance(given, Range) else given, unit)


# -- the table --------------------------------------------------------------------------------------------------------


def test_it_is_of_the_size_that_people_read() -> None:
    assert 40 <= len(table()) <= 70
    assert {one.group for one in table().values()} == OLD.keys()


@pytest.mark.parametrize("one", table().values(), ids=lambda one: one.name)
def test_every_number_says_where_it_is_from_and_when(one: Number) -> None:
    if one.basis == "illustrative":
        assert one.note
        assert one.source is None
    else:
        assert one.source is not None
        assert one.source.checked is not None
        assert one.as_of <= one.source.checked
        assert number_report.web(one.source.url) == (one.source.url or "")
    assert first_day(one.as_of) <= TODAY
    given = one.quantity
    low = given.low if isinstance(given, Range) else given
    assert low.value > 0
    assert given.text


@pytest.mark.parametrize(
    ("name", "unit", "worked"),
    [
        ("dlrm_core", "item/core/s", 9_731 * 270 / 128),  # queries/s x items of two Xeon 8592+
        ("dlrm_gpu", "item/gpu/s", 340_067 * 270 / 8),
        ("kafka_broker", "MB/server/s", 605 / 3),
        ("ec2_vcpu", "USD/vcpu/hour", 0.096 / 2),
        ("h100_cloud", "USD/gpu/hour", 55.04 / 8),
        ("a100_cloud", "USD/gpu/hour", 21.957642 / 8),
        ("s3_read", "USD/read", 0.0004 / 1000),
        ("s3_write", "USD/write", 0.005 / 1000),
        ("cross_zone_traffic", "USD/GB", 2 * 0.01),
    ],
)
def test_what_was_divided_was_divided_right(name: str, unit: str, worked: float) -> None:
    assert value(name, unit) == pytest.approx(worked, rel=0.02)


def test_what_is_slower_or_dearer_is() -> None:
    latencies = (
        "memory_random_read",
        "ssd_random_read",
        "region_round_trip",
        "disk_seek",
        "coast_round_trip",
        "pacific_round_trip",
    )
    assert sorted(latencies, key=lambda name: value(name, "s")) == list(latencies)
    tiers = ("s3_deep_archive", "s3_infrequent_storage", "s3_bulk_storage", "s3_standard_storage", "block_storage")
    assert sorted(tiers, key=lambda name: value(name, "USD/GB/month")) == list(tiers)
    # A token needs the weights read once: 70 GB of them at 3.35 TB/s is 48 batches a second, each of many requests.
    assert value("decode_h100", "token/gpu/s") > value("gpu_memory_bandwidth", "GB/gpu/s") / 70


FILE = """sources:
  list: {title: A price list, checked: 2026-11-20}
prices:
  egress: {label: Traffic, value: $0.09/GB, basis: published, source: list, as_of: 2026-09}
"""


def test_a_file_is_read() -> None:
    one = read(FILE, "n.yaml")["egress"]
    assert (one.group, one.label, one.value, one.basis, one.as_of) == (
        "prices",
        "Traffic",
        "$0.09/GB",
        "published",
        "2026-09",
    )
    assert one.source is not None
    assert one.source.title == "A price list"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label: Traffic, ", "", "n.yaml:4: prices.egress.label: is missing; write 'label: ...'"),
        ("label: Traffic, ", "lable: Traffic, ", "n.yaml:4: prices.egress.lable: 'lable' is not a key here; did you mean 'label'?"),
        ("prices:", "price:", "n.yaml:3: price: 'price' is not a key here; did you mean 'prices'?"),
        ("title: A", "titel: A", "n.yaml:2: sources.list.titel: 'titel' is not a key here; did you mean 'title'?"),
        ("$0.09/GB", "$0.09/GBB", "n.yaml:4: prices.egress.value: '$0.09/GBB': 'GBB' is not a unit"),
        ("source: list", "source: lisst", "n.yaml:4: prices.egress.source: 'lisst' is not a source of this file; did you mean 'list'?"),
        ("source: list, ", "", "n.yaml:4: prices.egress: basis 'published' needs a 'source'; name one of the file's sources"),
        ("basis: published, source: list", "basis: illustrative", "n.yaml:4: prices.egress: basis 'illustrative' needs a 'note' that says where the number comes from"),
        ("basis: published", "basis: guess", "n.yaml:4: prices.egress.basis: 'guess' is not a basis; write 'published', 'measured' or 'illustrative'"),
        ("as_of: 2026-09", "as_of: last year", "n.yaml:4: prices.egress.as_of: 'last year' is no date; write for example '2026-03'"),
        ("as_of: 2026-09", "as_of: 2026-13", "n.yaml:4: prices.egress.as_of: '2026-13' is in no calendar; write a year, a month or a day, as 2026-03"),
        ("as_of: 2026-09", "as_of: 2026-12", "n.yaml:4: prices.egress.as_of: '2026-12' is later than 2026-11-20, when its source was read; correct one of them"),
        ("checked: 2026-11-20", "checked: today", "n.yaml:2: sources.list.checked: 'today' is not a date; write for example '2026-11-20'"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_line(old: str, new: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(CaseError) as error:
        read(FILE.replace(old, new), "n.yaml")
    assert any(message in line for line in str(error.value).splitlines())


def test_a_name_is_given_once() -> None:
    again = FILE + "sizes:\n  egress: {label: Again, value: 1 GB, basis: published, source: list, as_of: 2026}\n"
    with pytest.raises(CaseError, match=r"^n.yaml:4: prices.egress: stands in 'sizes' too; a name is given once$"):
        read(again, "n.yaml")


# -- ages -------------------------------------------------------------------------------------------------------------


def number(as_of: str, group: str = "prices", basis: str = "published") -> Number:
    return Number("n", group, "N", "$1/GB", Quantity(1.0), basis, None, as_of, "")


@pytest.mark.parametrize(
    ("as_of", "today", "text"),
    [
        ("2025-06", TODAY, "priced 2025-06, 17 months ago"),
        ("2026-11", TODAY, "priced 2026-11, less than a month ago"),
        ("2026-10", TODAY, "priced 2026-10, a month ago"),
        ("2026-10-27", TODAY, "priced 2026-10-27, less than a month ago"),
        ("2026-10-26", TODAY, "priced 2026-10-26, a month ago"),
        ("2024-12", TODAY, "priced 2024-12, 23 months ago"),
        ("2024-11", TODAY, "priced 2024-11, 2 years ago"),
        ("2024-02-29", date(2025, 2, 28), "priced 2024-02-29, 11 months ago"),
        ("2026", TODAY, "priced 2026, this year"),
        ("2025", TODAY, "priced 2025, last year"),
        ("2012", TODAY, "priced 2012, 14 years ago"),
        ("2027-01", TODAY, "priced 2027-01, later than today"),
    ],
)
def test_an_age_in_words(as_of: str, today: date, text: str) -> None:
    assert age(number(as_of), today).text == text


@pytest.mark.parametrize(
    ("as_of", "group", "old"),
    [
        ("2025-05", "prices", False),  # 18 months
        ("2025-04", "prices", True),
        ("2025-05-27", "prices", False),
        ("2022-11", "latencies", False),  # 4 years
        ("2022-10", "throughputs", True),
        ("2025", "prices", True),  # from its first day on
        ("2023", "sizes", False),
    ],
)
def test_prices_age_faster_than_hardware(as_of: str, group: str, old: bool) -> None:
    assert age(number(as_of, group), TODAY).old is old


def test_who_says_so() -> None:
    assert age(number("2024", "latencies", "measured"), TODAY).text.startswith("measured 2024")
    assert age(number("2024", "sizes", "published"), TODAY).text.startswith("published 2024")
    assert age(number("2024", "prices", "illustrative"), TODAY).text.startswith("assumed 2024")


# -- in a case --------------------------------------------------------------------------------------------------------

SHEET = """assumptions:
  kept: {value: 2 PB, basis: {kind: estimate, note: a guess}}
  storage_price: {value: = numbers.s3_standard_storage, basis: {kind: number}, label: Storing it}
  hit_time: {value: =numbers.cross_zone_round_trip, basis: {kind: number}}
estimates:
  storage_cost: {formula: kept * storage_price, unit: USD/month}
  twice: {formula: 2 * assumptions.storage_price.value, unit: USD/GB/month}
  waited: {formula: 2 * hit_time, unit: ms}
"""


def sheet_case(*replacements: tuple[str, str], more: str = SHEET) -> Case:
    return desk(*replacements, more=more)


def test_a_case_takes_value_and_range_of_the_table() -> None:
    case = sheet_case()
    values = case.sheet.quantities()
    assert case.units.number_in(values["storage_cost"], "USD/month") == pytest.approx(2e6 * 0.023)
    assert case.units.number_in(values["twice"], "USD/GB/month") == pytest.approx(2 * 0.023)
    waited = case.sheet.evaluate()["waited"]
    assert waited.low is not None
    assert waited.high is not None
    assert case.units.number_in(waited.value, "ms") == pytest.approx(2 * (0.3 * 1.5) ** 0.5)
    assert case.units.number_in(waited.low, "ms") == pytest.approx(0.6, rel=0.02)
    assert case.units.number_in(waited.high, "ms") == pytest.approx(3.0, rel=0.02)
    assert "$0.023/GB/month" in str(case.sheet.evaluate()["storage_cost"].working)


def test_a_field_takes_it_through_the_assumption() -> None:
    case = sheet_case(("mean: 12 ms", "mean: = hit_time"))
    assert case.stages[0].service.mean == pytest.approx((0.3e-3 * 1.5e-3) ** 0.5)
    by_path = apply(
        sheet_case(more=SHEET.replace("cross_zone_round_trip", "region_round_trip")),
        {"stages.desk.hop": "= assumptions.hit_time.value"},
    )
    assert by_path.stages[0].hop == pytest.approx(250e-6)


def test_the_file_stays_as_it_is() -> None:
    case = sheet_case()
    assert case.tree["assumptions"]["storage_price"]["value"] == "= numbers.s3_standard_storage"
    assert {name: one.name for name, one in from_table(case).items()} == {
        "storage_price": "s3_standard_storage",
        "hit_time": "cross_zone_round_trip",
    }


def test_a_change_puts_another_value_over_it() -> None:
    case = apply(sheet_case(), {"assumptions.storage_price.value": "$0.05/GB/month"})
    assert case.units.number_in(case.sheet.quantities()["storage_cost"], "USD/month") == pytest.approx(1e5)
    origin = provenance(case, "storage_price")
    assert (origin.value, origin.instead_of) == ("$0.05/GB/month", "$0.023/GB/month")
    assert origin.number is table()["s3_standard_storage"]
    back = apply(case, {"assumptions.storage_price.value": "= numbers.s3_bulk_storage"})
    assert back.units.number_in(back.sheet.quantities()["storage_cost"], "USD/month") == pytest.approx(42_000)
    assert provenance(back, "storage_price").title == table()["s3_bulk_storage"].source.title  # type: ignore[union-attr]


def test_where_an_assumption_is_from() -> None:
    case = sheet_case()
    found, own = provenance(case, "storage_price"), provenance(case, "kept")
    assert (found.value, found.basis, found.url, found.instead_of) == (
        "$0.023/GB/month",
        "published",
        "https://aws.amazon.com/pricing/",
        "",
    )
    assert (own.value, own.basis, own.number, own.title, own.note) == ("2 PB", "estimate", None, "", "a guess")
    assert number_report.origin_line(found, TODAY).startswith(
        "numbers.s3_standard_storage, priced 2026-09-30, a month ago: AWS price list"
    )
    assert number_report.origin_line(own, TODAY) == "estimate: a guess"


def test_a_knob_turns_it() -> None:
    case = sheet_case(
        more=SHEET + "knobs: [{path: assumptions.storage_price.value, from: $0.01/GB/month, to: $0.1/GB/month}]\n"
    )
    found = stops(case, case.knobs[0], case)
    assert found.current == "0.023 $/GB/month" or found.current == "$0.023/GB/month"
    assert found.current in found.texts
    assert case.units.number_in(point(case, found.current), "USD/GB/month") == pytest.approx(0.023)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= numbers.egres", "'= numbers.egres' is not in the table of numbers; did you mean '= numbers.egress'?"),
        ("= numbers.", "'= numbers.' is not in the table of numbers; `python -m cases numbers` prints them"),
        ("= kept", "'= kept': an assumption is a value, or a number of the table; write for example '= numbers.memory_random_read'"),
        ("=", "'=': an assumption is a value, or a number of the table; write for example '= numbers.memory_random_read'"),
        ("= " + "x" * 1_000, "an assumption is a value, or a number of the table"),
    ],
)  # fmt: skip
def test_what_an_assumption_may_not_refer_to(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as error:
        assumed(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("path", ["stages.desk.hop", "stages.desk.service.mean", "workload.rate"])
def test_only_an_assumption_takes_one(path: str) -> None:
    with pytest.raises(
        DesignError,
        match=rf"^{path}: '= numbers.disk_seek' can stand in an assumption only; write one with this value, and the name of that here$",
    ):
        apply(sheet_case(), {path: "= numbers.disk_seek"})


def test_an_outcome_takes_none_either() -> None:
    outcome = "outcomes:\n  spent: {formula: latency_mean * numbers.disk_seek}\n"
    with pytest.raises(CaseError, match=r"'= numbers\.disk_seek' can stand in an assumption only"):
        loads(desk_text(more=outcome), "f.yaml")


# -- three times off --------------------------------------------------------------------------------------------------

CLAIMS = """assumptions:
  audience: {value: 10 million users, basis: {kind: estimate, note: a guess}}
  per_user: {value: 3 requests/user/day, basis: {kind: estimate, note: a guess}}
  per_server: {value: 1..4 requests/server/s, basis: {kind: estimate, note: a guess}}
  price: {value: = numbers.ec2_vcpu, basis: {kind: number}}
  size: {value: 2 vcpu/server, basis: {kind: estimate, note: a guess}}
  unused: {value: 1 s, basis: {kind: estimate, note: a guess}}
estimates:
  rate: {formula: audience * per_user, unit: request/day}
  fleet: {formula: rate / per_server, unit: server}
  cost: {formula: fleet * size * price, unit: USD/day}
  squared: {formula: rate * rate}
claims:
  - {says: thirty million, of: rate, value: 30 million requests/day, source: guide}
  - {says: a billion, of: rate, value: 1 billion requests/day, source: guide}
  - {says: a hundred servers, of: fleet, value: 100 servers, source: guide}
  - {says: in another unit, of: fleet, value: 3 GB, source: guide}
sources:
  guide: {title: A guide}
"""
CASE = desk(more=CLAIMS)
OFF = {one.name: one for one in what_if.off(CASE)}


def test_numbers_of_the_table_come_first_and_what_nothing_rests_on_is_left_out() -> None:
    assert list(OFF) == ["price", "audience", "per_user", "per_server", "size"]


def test_what_estimates_become() -> None:
    found = {one.name: one for one in OFF["per_server"].estimates}
    assert list(found) == ["fleet", "cost"]
    servers = found["fleet"]
    assert servers.more is not None
    assert servers.less is not None
    assert servers.more.value == pytest.approx(servers.now.value / 3)
    assert servers.less.value == pytest.approx(servers.now.value * 3)
    squared = {one.name: one for one in OFF["audience"].estimates}["squared"]
    assert squared.more is not None
    assert squared.more.value == pytest.approx(9 * squared.now.value)


def test_which_verdicts_flip_and_where() -> None:
    exact, far, servers, other = OFF["audience"].claims
    assert (exact.now.verdict, exact.more and exact.more.verdict, exact.less and exact.less.verdict) == (
        "supported",
        "too_low",
        "too_high",
    )
    assert exact.flips
    assert exact.flips_at in (pytest.approx(1.5), pytest.approx(1 / 1.5))
    assert not far.flips
    assert far.flips_at == pytest.approx(1000 / 30 / 1.5)  # from there on a billion is no more than rounded
    assert (other.now.verdict, other.flips, other.flips_at) == ("wrong_dimension", False, None)
    assert servers.now.verdict == "supported"  # inside the interval
    assert not OFF["price"].claims


@pytest.mark.parametrize("name", ["audience", "per_user", "per_server"])
def test_the_claim_flips_where_it_is_said_to(name: str) -> None:
    """Beside the factor found, a claim holds on one side and not on the other, whatever `judge` rests on."""
    for one in OFF[name].claims:
        if one.flips_at is None:
            continue
        beside = []
        for factor in (0.97, 1.03):
            scaled = what_if._scaled(CASE.sheet, name, one.flips_at * factor).evaluate()[one.claim.of]
            verdict = judge(
                CASE.units.quantity(one.claim.value), scaled.value, scaled.low, scaled.high, units=CASE.units
            )
            beside.append(verdict.verdict in ("supported", "rounded"))
        assert beside in ([True, False], [False, True]), one.claim.says


@pytest.mark.parametrize(
    ("condition", "name", "factor"),
    [
        ("rate = 90 million requests/day", "audience", 3.0),
        ("cost=$1000/day", "price", 1000 / (30e6 / 86_400 / 2 * 2 * 0.048 * 24)),
        ("squared = rate", "unused", None),
        ("fleet = 1 server", "per_server", 30e6 / 86_400 / 2),
        ("rate = 10 requests/day", "audience", None),  # more than a million times less
        ("cost = $1/day", "audience", 1 / (30e6 / 86_400 / 2 * 2 * 0.048 * 24)),
    ],
)
def test_break_even_with_a_value(condition: str, name: str, factor: float | None) -> None:
    if condition.startswith("squared"):
        with pytest.raises(DesignError, match=r"'rate' is request/s, and 'squared' request\^2/s\^2"):
            what_if.condition(CASE, condition)
        return
    found = what_if.one_off(CASE, name, when=what_if.condition(CASE, condition)).meets_at
    assert found == (None if factor is None else pytest.approx(factor, rel=1e-6))


BUY_OR_RENT = """assumptions:
  period: {value: 12 months, basis: {kind: estimate, note: a guess}}
  rent: {value: $100/month, basis: {kind: estimate, note: a guess}}
  price: {value: $3000, basis: {kind: estimate, note: a guess}}
estimates:
  renting: {formula: period * rent, unit: USD}
  buying: {formula: price + 0.1 * renting, unit: USD}
"""


def test_break_even_of_two_estimates() -> None:
    case = desk(more=BUY_OR_RENT)
    when = what_if.condition(case, "renting = buying")
    found = {one.name: one.meets_at for one in what_if.off(case, when=when)}
    # 0.9 x 1200 f = 3000, and 1200 = 3000 f + 120
    assert found == {
        "period": pytest.approx(3000 / 1080),
        "rent": pytest.approx(3000 / 1080),
        "price": pytest.approx(0.36),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cost", "--when 'cost' is not ESTIMATE=VALUE; write for example 'storage_cost = $2/month'"),
        ("= 3", "--when '= 3' is not ESTIMATE=VALUE; write for example 'storage_cost = $2/month'"),
        ("coast = $3/day", "--when 'coast = $3/day': 'coast' is not an estimate of this case; did you mean 'cost'?"),
        ("audience = 3 users", "--when 'audience = 3 users': 'audience' is not an estimate of this case; there are rate, fleet, cost, squared"),
        ("cost = a lot", "--when 'cost = a lot': 'a lot': a number is missing"),
        ("cost = 3 GB", "--when 'cost = 3 GB': '3 GB' is B, and 'cost' USD/s"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(DesignError) as error:
        what_if.condition(CASE, text)
    assert str(error.value).startswith(message)


def test_an_estimate_may_have_no_value_then() -> None:
    case = desk(
        more="assumptions:\n  used: {value: 0.4, basis: {kind: estimate, note: a guess}}\nestimates:\n  waiting: {formula: sqrt(1 - used)}\n"
    )
    (one,) = what_if.off(case)[0].estimates
    assert one.more is None
    assert one.less is not None
    assert number_report.moved_row(case, one).more == "has no value"


# -- the commands -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("cases") / "desk.yaml"
    file.write_text(desk_text(more=CLAIMS), encoding="utf-8")
    return str(file)


def test_the_table_fits_a_terminal() -> None:
    text = run("numbers")
    assert max(map(len, text.splitlines())) <= number_report.WIDTH
    for one in table().values():
        assert f"\n{one.name} " in text
    assert "published 2013-06, 13 years ago, OLD" in number_report.table_text(number_report.chosen("sizes"), TODAY)


def test_the_table_as_json() -> None:
    rows = json.loads(run("numbers", "--json", "--group", "prices"))
    assert [row["name"] for row in rows] == [one.name for one in table().values() if one.group == "prices"]
    egress = next(row for row in rows if row["name"] == "egress")
    assert (egress["text"], egress["value"], egress["unit"], egress["low"]) == (
        "$0.09/GB",
        0.09,
        "USD/GB",
        None,
    ) or egress["unit"] == "$/GB"
    sms = next(row for row in rows if row["name"] == "sms_carrier_fee")
    assert (sms["low"], sms["high"]) == (pytest.approx(0.0025), pytest.approx(0.0062))
    assert sms["value"] == pytest.approx((0.0025 * 0.0062) ** 0.5)


def test_what_if_of_a_case(path: str) -> None:
    body = json.loads(run("numbers", path, "--json", "--when", "cost = $1000/day"))
    assert (body["case"], body["factor"], body["when"]) == ("desk", 3.0, "cost = $1000/day")
    first = body["assumptions"][0]
    assert (first["name"], first["number"], first["text"]) == ("price", "ec2_vcpu", "$0.048/vcpu/hour")
    assert first["estimates"][0]["name"] == "cost"
    assert first["estimates"][0]["more"] == pytest.approx(3 * first["estimates"][0]["now"])
    assert first["meets_at"] == pytest.approx(1000 / (30e6 / 86_400 * 0.048 * 24))
    text = run("numbers", path, "--when", "cost = $1000/day")
    assert max(map(len, text.splitlines())) <= number_report.WIDTH
    assert "supported; × 3: too low; ÷ 3: too high, FLIPS; tips over at" in text
    assert "cost = $1000/day: at 2.5 times its value" in text
    assert (
        json.loads(run("numbers", path, "--json", "--set", "assumptions.audience.value=20 million users"))[
            "assumptions"
        ][1]["text"]
        == "20 million users"
    )


def test_the_sheet_says_what_it_rests_on(path: str) -> None:
    body = json.loads(run("sheet", path, "--json"))
    price = body["assumptions"]["price"]
    assert (price["number"], price["text"], price["as_of"], price["instead_of"]) == (
        "ec2_vcpu",
        "$0.048/vcpu/hour",
        "2026-09-30",
        None,
    )
    assert price["age"].startswith("priced 2026-09-30, ")
    assert body["assumptions"]["audience"]["age"] is None
    assert body["assumptions"]["per_server"]["low"] == 1
    text = run("sheet", path, "--set", "assumptions.price.value=$0.1/vcpu/hour")
    assert (
        "price: $0.1/vcpu/hour\n    changed; as written $0.048/vcpu/hour, numbers.ec2_vcpu, priced 2026-09-30" in text
    )
    assert "value: = numbers.ec2_vcpu" in run("show", path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--group", "price"], "--group 'price' is not a group of numbers; did you mean 'prices'?"),
        (["--when", "cost = $1/day"], "--design, --set and --when are about a case; name one, as in 'numbers CASE'"),
        (["CASE", "--group", "prices"], "--group is of the table; leave CASE out, or --group"),
        (["CASE", "--when", "coast = 1"], "--when 'coast = 1': 'coast' is not an estimate of this case; did you mean 'cost'?"),
        (["nowhere"], "'nowhere' is neither a case nor a YAML file"),
    ],
)  # fmt: skip
def test_bad_commands(arguments: list[str], message: str, path: str) -> None:
    result = CliRunner().invoke(cli, ["numbers", *(path if one == "CASE" else one for one in arguments)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1


def test_a_case_without_numbers_has_nothing_to_be_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("cases") / "desk.yaml"
    file.write_text(desk_text(), encoding="utf-8")
    assert json.loads(run("numbers", str(file), "--json"))["assumptions"] == []
    assert run("numbers", str(file)) == "One desk: what if a number is 3 times more, or less\n"


def test_search() -> None:
    def names(text: str) -> list[str]:
        return [one.name for one in number_report.search(table().values(), text)]

    assert names("KAFKA") == ["kafka_latency", "kafka_broker"]
    assert names("s3 deep") == ["s3_deep_archive"]
    assert names("no such thing") == []
    assert len(names("")) == len(table())


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/local", "", None])
def test_a_page_links_to_the_web_only(url: str | None) -> None:
    assert number_report.web(url) == ""


def test_nothing_heavy_is_imported_and_the_table_is_read_when_it_is_needed() -> None:
    script = "import sys, cases.__main__, cases.numbers as n; assert not n.table.cache_info().currsize; print('scipy.optimize' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_a_run_is_named_by_the_numbers_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case's text stays '= numbers.disk_seek', whatever the table says."""
    from dataclasses import replace

    from cases import numbers
    from simulator.plan import plan

    made = desk(("mean: 12 ms", "mean: = seek"), more=TAKES)
    key = plan(made).key
    known = numbers.table()
    changed = {**known, "disk_seek": replace(known["disk_seek"], value="1 ms")}
    monkeypatch.setattr(numbers, "table", lambda: changed)
    assert plan(desk(("mean: 12 ms", "mean: = seek"), more=TAKES)).key != key


TAKES = "assumptions: {seek: {value: = numbers.disk_seek, basis: {kind: number}}}\n"
