"""A walkthrough as one file: complete, safe, the same bytes each time, and its numbers are those of the runs."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import shlex
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, fromstring

import pytest
from click.testing import CliRunner

from cases import files
from cases.build import apply, design_changes
from cases.design import differences, parse_changes
from cases.errors import RunError
from cases.sheets import estimates, judged_claims
from cases.spec import Case
from simulator.plan import plan
from simulator.report import milliseconds, percent
from simulator.results import SimulationResult
from simulator.run import simulate
from walkthrough import export as export_module
from walkthrough import material
from walkthrough.__main__ import cli
from walkthrough.export import export, write
from walkthrough.plots import BOTTOM, LEFT, RIGHT, TOP, Scale, latency
from walkthrough.still import drawing, moment
from walkthrough.story import Number, story

FILE = Path(__file__).parents[1] / "cases" / "good" / "story.yaml"
HOSTILE = Path(__file__).with_name("hostile.yaml")
LESSON = Path(__file__).parents[1] / "lessons" / "hedging.yaml"
ALERT = "<script>alert("
SCRIPT = re.compile(r"(?<=<script>).*?(?=</script>)", re.DOTALL)


@pytest.fixture(scope="module")
def case() -> Case:
    return files.load(FILE)


@pytest.fixture(scope="module")
def runs(case: Case) -> dict[str, SimulationResult]:
    """Results by key, of whatever was run: each export after the first takes them from here."""
    return {}


@pytest.fixture(scope="module")
def whole(case: Case, runs: dict[str, SimulationResult]) -> str:
    found = material.gather(case)
    runs.update({result.key: result for result in found.runs.values()})
    return export(case, known=runs.get)


@pytest.fixture(scope="module")
def page(whole: str) -> Element:
    return parsed(whole)


@pytest.fixture(scope="module")
def hostile() -> str:
    return export(files.load(HOSTILE))


def parsed(text: str) -> Element:
    """The file is well-formed XML, too, but for what its script may hold."""
    return fromstring(SCRIPT.sub("", text))


def texts(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def unasked(*_: object, **__: object) -> NoReturn:
    """In place of the witnesses, where a test is not about them."""
    raise RunError("not asked")


def having(page: Element, kind: str) -> list[Element]:
    return [one for one in page.iter() if kind in one.get("class", "").split()]


def named(page: Element, name: str) -> Element:
    (found,) = (one for one in page.iter() if one.get("id") == name)
    return found


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.stdout, result.stderr


# -- the file ---------------------------------------------------------------------------------------------------------


def test_it_asks_for_nothing_and_lets_nothing_in(whole: str, page: Element) -> None:
    for element in page.iter():
        assert element.tag not in ("link", "img", "image", "iframe", "object", "embed", "base", "form", "use")
        assert not [name for name in element.attrib if name in ("src", "srcset", "action", "data") or name[:2] == "on"]
        assert "url(" not in element.get("style", "")
    assert not re.search(r"@import|url\(|@font-face", texts(next(page.iter("style"))))
    ids = [one.get("id") for one in page.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    links = [one.get("href", "") for one in page.iter("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(list(page.iter("script"))) == 1
    (script,) = SCRIPT.findall(whole)
    sealed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(one.get("content", "") for one in page.iter("meta") if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; ")
    assert f"script-src 'sha256-{sealed}'" in policy


def test_it_says_nothing_of_the_machine_and_of_a_day_only_what_it_is_given(
    case: Case, whole: str, runs: dict[str, SimulationResult]
) -> None:
    assert len(whole.encode()) < export_module.LARGEST
    for secret in (str(Path.cwd()), str(Path.home()), "/tmp", "compiled", "simpy"):
        assert secret not in whole
    assert not re.search(r"\b20\d\d-\d\d-\d\d", whole)
    dated = export(case, dated="2026-11-26", known=runs.get)
    assert dated.replace(" on 2026-11-26", "") == whole


def test_either_plane_writes_it() -> None:
    small = apply(files.load(LESSON), {"run.requests": "200", "run.replications": "2"})
    assert export(small, engine="simpy") == export(small, engine="compiled")


# -- what it says -----------------------------------------------------------------------------------------------------


def test_its_steps_say_what_the_story_says(case: Case, page: Element, runs: dict[str, SimulationResult]) -> None:
    told = story(case)
    steps = having(page, "step")
    assert [one.get("id") for one in steps] == [f"step-{i}" for i in range(1, len(told.steps) + 1)]
    for shown, step in zip(steps, told.steps, strict=True):
        numbers = [part for text in step.texts for part in text if isinstance(part, Number)]
        assert [one.text for one in shown.iter("abbr")] == [number.text for number in numbers]
        assert [one.get("title") for one in shown.iter("abbr")] == [number.origin for number in numbers]
        beneath = texts(having(shown, "origins")[0]) if numbers else ""
        assert all(f"{number.text} {number.origin}" in beneath for number in numbers)
        assert step.planned.title == shown.findtext("h2")


def test_problem_and_fix_stand_side_by_side_with_the_stage_lit_at_the_moment(case: Case, page: Element) -> None:
    shown = next(one for one in having(page, "step") if one.findtext("h2") == "The sale begins")
    (pair,) = having(shown, "pair")
    problem, fix = pair.iter("figure")
    assert texts(problem).startswith("The sale begins. Misses: p99")
    assert texts(fix).startswith("The sale begins, with Desks for the rush. Holds: p99")
    contained = apply(case, design_changes(case, "rush_contained"))
    for figure, design in ((problem, case), (fix, contained)):
        result = simulate(plan(design, scenario="rush"))
        busy = moment(result, 8.0)["desk"]
        (lit,) = having(figure, "lit")
        assert busy.utilisation is not None
        assert texts(lit).startswith(f"This is about this stage. desk: {percent(busy.utilisation)}")
        assert busy != result.stages["desk"]
        assert latency(result, 8.0) in export_text(figure)


def export_text(figure: Element) -> str:
    """The figure's plot as it was written."""
    from xml.etree.ElementTree import tostring

    return "".join(tostring(one, encoding="unicode").strip() for one in having(figure, "plot"))


def test_a_picture_is_not_drawn_twice_in_a_row(page: Element) -> None:
    drawn = {one.get("id"): len(having(one, "path")) for one in having(page, "step")}
    assert drawn["step-1"] == 1
    assert drawn["step-2"] == drawn["step-3"] == 0  # the same run, and nothing lit
    assert drawn["step-7"] == drawn["step-8"] == 1  # another design; the desk lit


def test_results_sheet_and_witnesses_are_those_of_the_case(case: Case, page: Element) -> None:
    result = simulate(plan(case))
    shown = texts(named(page, "results"))
    p99 = result.latency_ms["p99"]
    assert p99.low is not None
    assert p99.high is not None
    between = f"{milliseconds(p99.low)} to {milliseconds(p99.high)}"
    assert f"p99 {milliseconds(p99.value)} {between} at most 400 ms: met" in shown
    assert f"Cost: ${result.cost_usd_per_hour:,.2f}/hour" in shown
    for name, stage in result.stages.items():
        assert f"{name}: {percent(stage.utilisation)}" in shown if stage.utilisation is not None else name in shown
    sheet = texts(named(page, "sheet"))
    for name, one in estimates(case).items():
        assert case.units.format(one.value, one.unit) in sheet
        assert f"{name} = {one.working.symbols}" in sheet
    found = re.search(r"90 %: ([\d,]+) tickets/day to ([\d,]+) tickets/day", sheet)
    assert found is not None
    low, high = (float(end.replace(",", "")) for end in found.groups())
    assert (low, high) == pytest.approx((40_000, 160_000), rel=0.02)  # 20 to 80 thousand fans, two tickets each
    assert "Replicas by each witness" in [one.get("aria-label") for one in named(page, "three").iter("div")]
    assert "Simulation" not in [one.text for one in named(page, "three").iter("th")][5:]


def test_claims_come_with_verdict_and_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    youtube = files.load(files.catalog()[files.FIRST])
    monkeypatch.setattr(material, "steps", lambda _: ())
    monkeypatch.setattr(material, "reconcile", unasked)
    page = parsed(export(youtube))
    claims = texts(named(page, "claims"))
    slip = next(verdict for _, verdict in judged_claims(youtube) if verdict.slip)
    assert (
        f"too high 500 bytes times 800 billion rows is 4 petabytes ({next(iter(youtube.sources.values())).title})"
        in claims
    )
    assert slip.sentence in claims
    sources = texts(named(page, "sources"))
    assert all(f"{one.title}, read {one.checked}" in sources for one in youtube.sources.values() if one.checked)


def test_the_yaml_in_it_makes_the_same_runs(case: Case, page: Element) -> None:
    again = files.loads(named(page, "case").text or "", "again")
    rows = [[texts(cell) for cell in row.iter("td")] for row in named(page, "again").iter("tr")]
    keys = {row[0]: row[4] for row in rows if row}
    assert keys["The case as written."] == plan(again).key == plan(case).key
    with_desks = apply(again, design_changes(again, "rush_contained"))
    assert keys["The sale begins, with Desks for the rush."] == plan(with_desks, scenario="rush").key


def test_a_changed_case_says_so_and_how_to_make_it_again(case: Case) -> None:
    given = {"stages.desk.replicas": "8", "stages.desk.cache": "none", "run.requests": "300"}
    changed = apply(case, given)
    page = parsed(export(changed, scenario="rush", seed=5))
    again = named(page, "again")
    command = shlex.split(next(texts(one) for one in having(again, "working") if "simulator run" in texts(one)))
    sets = parse_changes(command[i + 1] for i, word in enumerate(command) if word == "--set")
    assert sets == differences(case.tree, changed.tree)
    back = apply(files.loads(named(page, "case").text or "", "again"), sets)
    assert command[-4:] == ["--scenario", "rush", "--seed", "5"]
    key = plan(back, scenario="rush", seed=5).key
    assert key in texts(next(page.iter("header")))
    assert "stages.desk.replicas 8" in texts(again)


def test_a_story_that_no_longer_goes_with_the_case_is_left_out_with_the_reason(case: Case) -> None:
    page = parsed(export(apply(case, {"outcomes.income": "none", "run.requests": "200"})))
    assert not having(page, "step")
    assert "The story is left out, for it does not go with these changes. walkthrough.1.notes:" in texts(page)
    assert texts(named(page, "results"))


def test_a_case_without_a_story_exports_the_rest() -> None:
    bare = apply(files.load(LESSON), {"run.requests": "200", "run.replications": "2"})
    assert not bare.walkthrough
    page = parsed(export(bare))
    assert not having(page, "step")
    assert "left out" not in texts(next(page.iter("header")))
    assert texts(named(page, "three")).startswith(
        "Arithmetic and theory beside the simulation Left out: the case states no"
    )
    assert {"sheet", "claims"}.isdisjoint(one.get("id") for one in page.iter())


def test_the_simulation_is_asked_how_many_where_that_is_wanted(case: Case, runs: dict[str, SimulationResult]) -> None:
    page = parsed(export(case, asked=["gate"], known=runs.get))
    heads = [texts(one) for one in named(page, "three").iter("th")]
    assert heads[-6:] == ["Stage", "Has", "Arithmetic", "Theory", "Simulation", "Why"]


# -- hostile cases ----------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """What a browser makes of a file: elements, attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def leaves(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value)
    elif isinstance(node, str):
        yield str(node)


def test_whatever_a_case_says_is_text(hostile: str, whole: str) -> None:
    read, tame = Reader(hostile), Reader(whole)
    assert read.tags.count("script") == 1
    assert set(read.tags) <= {*tame.tags, "polygon", "strong"}
    assert {name for name, _ in read.attributes} <= {*(name for name, _ in tame.attributes), "rel"}
    assert [value for name, value in read.attributes if name == "href" and not (value or "").startswith("#")] == [
        'https://example.com/?a=1&b="2'
    ]
    parsed(hostile)
    said = " ".join(read.texts)
    once = " ".join(said.split())
    for text in leaves(files.load(HOSTILE).tree):
        assert " ".join(text.split()) in once
    assert said.count(ALERT) > 4
    assert ALERT not in hostile


def test_the_hostile_case_has_all_that_it_is_to_be(hostile: str) -> None:
    case = files.load(HOSTILE)
    assert len(case.stages) == 64
    assert max(map(len, leaves(case.tree))) > 3_000
    assert len(hostile) < 500_000


# -- too large, stopped, not to be written ----------------------------------------------------------------------------


def test_one_that_is_too_large_goes_without_pictures_and_then_not_at_all(
    case: Case, runs: dict[str, SimulationResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "reconcile", unasked)
    monkeypatch.setattr(export_module, "LARGEST", len(export(case, known=runs.get).encode()) - 1)
    page = parsed(export(case, known=runs.get))
    assert not list(page.iter("svg"))
    assert "Pictures are left out: with them the file would be too large." in texts(page)
    monkeypatch.setattr(export_module, "LARGEST", 10_000)
    with pytest.raises(
        RunError, match=r"^the file would have 0\.\d MB even without pictures, and 0\.01 MB is the most"
    ):
        export(case, known=runs.get)


def test_what_was_run_is_not_run_again(
    case: Case, whole: str, runs: dict[str, SimulationResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> NoReturn:
        raise AssertionError("run again")

    monkeypatch.setattr(material, "simulate", never)
    assert export(case, known=runs.get) == whole


def test_progress_goes_up_and_may_end_it() -> None:
    shares: list[float] = []
    small = apply(files.load(LESSON), {"run.requests": "200", "run.replications": "2"})
    export(small, progress=shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(small, progress=stop)


def test_the_command_writes_the_file_and_the_same_bytes_each_time(tmp_path: Path, whole: str) -> None:
    place = tmp_path / "story.html"
    assert run(f"{FILE}", "-o", f"{place}") == (0, f"{place}: {len(whole.encode()) / 1e3:,.0f} kB\n", "")
    assert place.read_bytes() == whole.encode()
    assert [one.name for one in tmp_path.iterdir()] == ["story.html"]


NOT = "cannot be written"
ALL = "does not go with -o, which writes all of the story; leave one of them out"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-o", "{here}/no/a.html"],
            f"{{here}}/no/a.html {NOT}: there is no folder '{{here}}/no'; make it, or name another",
        ),
        (["-o", "{here}"], f"{{here}} {NOT}: it is no file; name one, for example 'story.html'"),
        (["-o", "a.html", "--step", "2"], f"--step {ALL}"),
        (["-o", "a.html", "--json"], f"--json {ALL}"),
        (["-o", "a.html", "--reconcile", "--requests", "9"], f"--requests {ALL}"),
        (["-o", "a.html", "--stage", "gate"], "--stage goes with --reconcile; add that, or leave it out"),
        (["--dated", "2026-11-26"], "--dated goes with -o; add that, or leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_said_before_anything_is_run(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [option.format(here=tmp_path) for option in options]
    monkeypatch.setattr(material, "simulate", lambda *_: pytest.fail("run"))
    assert run(f"{FILE}", *given) == (1, "", message.format(here=tmp_path) + "\n")
    assert not list(tmp_path.iterdir())


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "story.html"
    write(place, "first")
    link = tmp_path / "link.html"
    link.symlink_to(place)
    write(link, "second")
    assert link.is_symlink()
    assert place.read_text() == "second"

    def full(self: Path, data: bytes) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match=r"story\.html cannot be written: No space left on device; name another place"):
        write(place, "third")
    assert place.read_text() == "second"
    assert {one.name for one in tmp_path.iterdir()} == {"story.html", "link.html"}


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_the_plot_has_a_point_for_every_row_at_its_place(case: Case) -> None:
    result = simulate(plan(case, scenario="rush"))
    timeline = result.timeline
    assert timeline is not None
    svg = fromstring(latency(result, 8.0))
    seen = [value for line in timeline.percentiles.values() for value in line if value is not None]
    low, high = min(*seen, 400) * 0.85, max(*seen, 400) * 1.2  # the objective is at 400 ms
    last = timeline.times[-1] / 1e9
    for name, line in timeline.percentiles.items():
        (path,) = (one for one in svg.iter("path") if one.get("class") == name)
        points = [tuple(map(float, point)) for point in re.findall(r"[ML]([\d.]+),([\d.]+)", path.get("d", ""))]
        there = [(t / 1e9, v) for t, v in zip(timeline.times, line, strict=True) if v is not None]
        assert len(points) == len(there) > 20
        for (x, y), (seconds, value) in zip(points, there, strict=True):
            assert x == pytest.approx(LEFT + (RIGHT - LEFT) * seconds / last, abs=0.06)
            share = math.log(value / low) / math.log(high / low)
            assert y == pytest.approx(BOTTOM - (BOTTOM - TOP) * share, abs=0.06)
    (band,) = (one for one in svg.iter("rect") if one.get("class") == "band")
    assert float(band.get("x", "")) == pytest.approx(LEFT + (RIGHT - LEFT) * 5 / last, abs=0.06)
    assert float(band.get("width", "")) == pytest.approx((RIGHT - LEFT) * 4 / last, abs=0.11)
    highest = max(v for v in timeline.percentiles["p99"] if v is not None)
    assert f"and {milliseconds(highest)}, highest at" in svg.get("aria-label", "")
    assert "p99 objective 400 ms" in svg.get("aria-label", "")


@pytest.mark.parametrize(
    ("last", "values"), [(1e-6, [1e-5, 1e-5]), (0.37, [12.0, 13.0]), (9e4, [1e-3, 1e7]), (60.0, [0.0])]
)
def test_a_scale_has_a_few_round_ticks_within_it(last: float, values: list[float]) -> None:
    scale = Scale(last, values)
    for ticks, place in ((scale.seconds(), scale.x), (scale.latencies(), scale.y)):
        assert len(ticks) <= 8
        assert ticks == sorted(ticks)
        for tick in ticks:
            mantissa = tick / 10 ** math.floor(math.log10(tick)) if tick else 0
            assert mantissa == pytest.approx(round(mantissa * 2) / 2)
            assert min(LEFT, TOP) - 1e-6 <= place(tick) <= max(RIGHT, BOTTOM) + 1e-6
    assert len(scale.seconds()) >= 3


def test_a_wide_path_turns_where_it_is_then_narrower(case: Case) -> None:
    stages = simulate(plan(case, requests=50, replications=1)).stages

    def box(room: float) -> tuple[float, float]:
        _, _, wide, high = map(float, fromstring(drawing(case, stages, room=room)).get("viewBox", "").split())
        return wide, high

    (across, low), (down, tall) = box(1_000), box(200)
    assert across > low
    assert tall > down
    assert down < 200 < across


def test_boxes_do_not_overlap_and_lines_end_at_them(pictured: Callable[[float], Element]) -> None:
    for room in (1e9, 0.0):
        svg = pictured(room)
        boxes = []
        for group in having(svg, "stage"):
            (rect,) = (one for one in group.iter("rect") if one.get("class") == "box")
            boxes.append([float(rect.get(side, "")) for side in ("x", "y", "width", "height")])
        for i, (x, y, wide, high) in enumerate(boxes):
            for x2, y2, wide2, high2 in boxes[:i]:
                assert x + wide <= x2 or x2 + wide2 <= x or y + high <= y2 or y2 + high2 <= y
        tips = [one.get("points", "").split()[0].split(",") for one in having(svg, "arrow")]
        for left, top in ((float(a), float(b)) for a, b in tips):
            assert any(x <= left <= x + wide and y <= top <= y + high for x, y, wide, high in boxes)


@pytest.fixture
def pictured() -> Callable[[float], Element]:
    """The first case's picture, for so much room."""
    youtube = files.load(files.catalog()[files.FIRST])
    stages = simulate(plan(youtube, requests=50, replications=1)).stages
    return lambda room: fromstring(drawing(youtube, stages, "ranking", room))
