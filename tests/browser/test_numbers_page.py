"""The page of numbers: found by group and by word, marked where they are old, and asked what if they are off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from cases import files, number_report
from cases.numbers import table
from tests.browser.conftest import Visitor
from tests.browser.tables import tables
from ui import accuracy

Visit = Callable[..., Visitor]
PAGE = Path(accuracy.__file__).parent / "numbers.py"
CASE = f"""format: 1
id: {files.FIRST}
title: One <b>desk</b>
question: How long does a request wait?
assumptions:
  kept: {{value: 2 PB, basis: {{kind: estimate, note: "*a* guess"}}}}
  storage_price: {{value: = numbers.s3_bulk_storage, basis: {{kind: number}}, label: Storing "it"}}
estimates:
  storage_cost: {{formula: kept * storage_price, unit: $/month, label: Cost}}
claims:
  - {{says: cheap, of: storage_cost, value: $40000/month, source: guide}}
sources:
  guide: {{title: A guide}}
workload: {{kind: poisson, rate: 50 requests/s}}
stages:
  - {{name: desk, replicas: 1, service: {{kind: exponential, mean: 12 ms}}}}
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page over a case that takes a number of the table."""
    (tmp_path / f"{files.FIRST}.yaml").write_text(CASE, encoding="utf-8")
    monkeypatch.setattr(files, "CATALOG", tmp_path)
    run = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not run.exception
    return run


def body(page: AppTest) -> str:
    return "".join(one.proto.body for one in page.get("html"))


def names(page: AppTest) -> list[str]:
    """Of the numbers on show."""
    rows = body(page).split('<div class="name">numbers.')[1:]
    return [row.partition("<")[0] for row in rows]


def group(page: AppTest, name: str) -> AppTest:
    return page.pills[0].set_value(name).run()


def test_the_numbers_of_the_case_come_first(page: AppTest) -> None:
    assert names(page) == ["s3_bulk_storage"]
    shown = body(page)
    assert "$0.021/GB/month" in shown
    assert '<span class="old">old</span>' in shown
    assert 'href="https://aws.amazon.com/s3/pricing/"' in shown
    assert any("1 of 70 numbers" in one.value.replace("\\", "") for one in page.caption)


@pytest.mark.parametrize("which", ["latencies", "prices"])
def test_a_group(page: AppTest, which: str) -> None:
    assert names(group(page, which)) == [one.name for one in number_report.chosen(which)]


def test_all_and_search(page: AppTest) -> None:
    assert names(group(page, "all")) == list(table())
    found = page.text_input(key="numbers:search").set_value("Kafka").run()
    assert names(found) == ["kafka_latency", "kafka_broker"]
    nothing = page.text_input(key="numbers:search").set_value("no *such* thing").run()
    assert names(nothing) == []
    assert nothing.info[0].value == "No number has all of these words: no \\*such\\* thing"


def test_what_if_it_is_off(page: AppTest) -> None:
    claims, estimates = tables(page)
    assert list(estimates[0].values()) == [
        "Cost",
        "$42,000/month",
        "$126,000/month",
        "$14,000/month",
    ]
    assert [row["As it is"] for row in claims] == ["rounded"]
    assert list(claims[0].values())[2:] == [
        "too low",
        "too high",
        "1.429 times",
    ]  # 60000 / 42000
    assert "Storing &quot;it&quot;" in body(page)


def test_break_even(page: AppTest) -> None:
    page.selectbox(key=f"numbers:of:{files.FIRST}").select("storage_cost").run()
    found = page.text_input(key=f"numbers:target:{files.FIRST}").set_value("$84000/month").run()
    said = [one.value.replace("\\", "") for one in found.markdown]
    assert "Break-even, Cost = $84000/month: at **2 times** the value that it has." in said
    bad = page.text_input(key=f"numbers:target:{files.FIRST}").set_value("3 *GB*").run()
    assert not bad.exception
    assert "'storage_cost = 3 *GB*': '3 *GB*'" in bad.error[0].value.replace("\\", "")


def test_the_texts_of_a_case_are_texts(page: AppTest) -> None:
    page.selectbox(key=f"numbers:off:{files.FIRST}").select("kept").run()
    assert not page.exception
    shown = body(page)
    assert "estimate: *a* guess" in shown
    assert "<b>desk" not in shown


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_in_a_browser(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    page = visitor.open("/numbers")
    expect(page.get_by_role("heading", name="Numbers to know")).to_be_visible()
    page.get_by_role("radio", name="Prices").click()
    expect(page.locator("table.numbers")).to_contain_text("numbers.egress")
    expect(page.locator("table.numbers a").first).to_have_attribute("href", "https://aws.amazon.com/pricing/")
    visitor.settled()
    found = Axe().run(page)
    assert [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")] == []
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.mark.long
def test_on_a_phone(visit: Visit) -> None:
    visitor = visit(width=390, height=844)
    page = visitor.open("/numbers")
    page.get_by_role("radio", name="All").click()
    expect(page.locator("table.numbers")).to_contain_text("numbers.kafka_broker")
    visitor.settled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = (
        "[...document.querySelectorAll('table.numbers td')].filter(e => e.getBoundingClientRect().right > 390).length"
    )
    assert page.evaluate(wide) == 0
