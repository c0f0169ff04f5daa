"""What holds for every building block. A new block adds no test code here; its numbers go into test_blocks_worked."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators import tree
from estimators.blocks import BLOCKS, FUNCTIONS, SECTIONS
from estimators.check import check
from estimators.definitions import KINDS, Block, Native, Parameter
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.functions import PRIMITIVES
from estimators.functions_command import functions_command
from estimators.sampling import SAMPLES
from estimators.units import Units

UNITS = Units()
NOT_OF_A_KIND = {"count": "3 s", "number": "3 s", "share": "3 s"}  # what no parameter of the kind takes
WHOLE = {"k_of_n": (0, 1), "wait_probability": (2,), "mean_wait": (2,), "wait_percentile": (2,)}
"""places of parameters that must be whole numbers"""


def parse(text: str) -> Formula:
    return Formula.parse(text, UNITS)


def value(text: str) -> float:
    """The value in base units, its dimension checked."""
    formula = parse(text)
    formula.dimension({})
    return formula.value({})


def refused(text: str) -> str:
    with pytest.raises(FormulaError) as error:
        value(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def arguments(name: str) -> list[str]:
    """The arguments of the example, as texts."""
    call = parse(FUNCTIONS[name].example).tree
    assert isinstance(call, tree.Call)
    return [tree.text(one) for one in call.arguments]


def call(name: str, *texts: str) -> str:
    return f"{name}({', '.join(texts)})"


def parameters(name: str) -> list[Parameter]:
    """One for each argument of the example."""
    block = BLOCKS[name]
    listed = [Parameter.of(part) for part in block.takes.removesuffix(", ...").split(",")]
    return listed * len(arguments(name)) if block.takes.endswith("...") else listed


def kind_of(parameter: Parameter) -> str:
    return next(name for name, kind in KINDS.items() if kind is parameter.kind)


def test_every_function_stands_in_one_section() -> None:
    names = [name for section in SECTIONS.values() for name in section]
    assert sorted(names) == sorted(FUNCTIONS)
    assert len(names) == len(set(names)) == len(FUNCTIONS) > 40
    assert "stored" in FUNCTIONS
    assert "store" not in FUNCTIONS


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_it_is_documented_and_its_example_works(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.name == name
    assert function.about.endswith(".")
    assert function.source
    assert function.signature.startswith(f"{name}(")
    assert function.example.startswith(f"{name}(")
    assert check(function.example).working.value_text
    assert name in PRIMITIVES or function.stands_for


@pytest.mark.parametrize("name", list(BLOCKS))
def test_its_formula_uses_its_parameters_and_no_others(name: str) -> None:
    """A parameter that reads as a unit right after a number would be taken for one."""
    block = BLOCKS[name]
    if isinstance(block.stands_for, str):
        assert tree.names(parse(block.stands_for).tree) == {one.name for one in parameters(name)}
    elif not isinstance(block.stands_for, Native):
        assert parse(block.stands_for.formula(["a", "b", "c"])).names == {"a", "b", "c"}


@pytest.mark.parametrize("name", list(BLOCKS))
def test_what_is_left_out_is_what_the_signature_says(name: str) -> None:
    listed, given = parameters(name), arguments(name)
    optional = [one for one in listed if one.default is not None]
    for one in optional:
        assert f"{one.name} = {one.default.quantity.text}" in FUNCTIONS[name].signature  # type: ignore[union-attr]
    needed = given[: len(listed) - len(optional)]
    spelled = [*needed, *(one.default.quantity.text for one in optional if one.default)]
    if optional:
        assert value(call(name, *needed)) == value(call(name, *spelled))
    assert "takes" in refused(call(name))
    if not BLOCKS[name].takes.endswith("..."):
        assert f"{FUNCTIONS[name].signature} takes" in refused(call(name, *spelled, "1"))


@pytest.mark.parametrize("name", list(BLOCKS))
def test_a_wrong_argument_is_named(name: str) -> None:
    for at, (text, parameter) in enumerate(zip(arguments(name), parameters(name), strict=False)):
        given = arguments(name)
        given[at] = NOT_OF_A_KIND.get(kind_of(parameter), "3 rows")
        said = refused(call(name, *given))
        assert said.startswith(f"{FUNCTIONS[name].signature}: {parameter.name}")
        assert f"is {parameter.kind.words}, '{given[at]}' is " in said
        assert said.endswith(f"write for example '{parameter.kind.example}'")
        if parameter.kind.least < 0:
            continue  # a score may be anything
        given[at] = f"-1 * {text} - {text}"
        said = refused(call(name, *given))
        assert said.startswith(f"{FUNCTIONS[name].signature}: {parameter.name}")
        assert "it is -" in said
        samples = dict.fromkeys(f"x{place}" for place in range(len(given)))
        formula = parse(call(name, *samples))
        arrays = {one: np.full(3, value(text)) for one, text in zip(samples, arguments(name), strict=True)}
        arrays[f"x{at}"][1] = -1.0
        with pytest.raises(FormulaError, match=f"{parameter.name}[0-9]* is .*; it is -1, check what it is computed"):
            formula.samples(arrays)


@pytest.mark.parametrize("name", [name for name in BLOCKS if any(one.kind.most == 1 for one in parameters(name))])
def test_a_share_is_at_most_one(name: str) -> None:
    for at, parameter in enumerate(parameters(name)[: len(arguments(name))]):
        if parameter.kind.most == 1:
            given = arguments(name)
            given[at] = "99"
            assert "is a share from 0 to 1; it is 99, " in refused(call(name, *given))


FACTORS = st.lists(st.sampled_from([0.0, 0.013, 0.3, 0.5, 1, 1, 1, 2, 3.7, 40, 1e6]), min_size=8, max_size=8)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(st.sampled_from(sorted(BLOCKS)), FACTORS)
def test_readings_agree(name: str, factors: list[float]) -> None:
    """The working reads back to the same value, arrays give what numbers give; or there is one message."""
    scaled = [f"{text} * {factor!r}" for text, factor in zip(arguments(name), factors, strict=False)]
    formula = parse(call(name, *scaled))
    formula.dimension({})
    try:
        result = formula.value({})
    except FormulaError as error:
        assert str(error).startswith(("'", FUNCTIONS[name].signature))
        return
    assert result >= 0
    assert value(formula.symbols()) == result
    assert parse(formula.substituted({})).value({}) == pytest.approx(result, rel=1e-9)
    names = [f"x{place}" for place in range(len(scaled))]
    arrays = {one: np.full(3, value(text)) for one, text in zip(names, scaled, strict=True)}
    got = parse(call(name, *names)).samples(arrays)
    assert np.broadcast_to(got, 3) == pytest.approx([result] * 3, rel=1e-9)
    put_in = {one: _quantity(text) for one, text in zip(names, scaled, strict=True)}
    assert parse(parse(call(name, *names)).substituted(put_in)).value({}) == pytest.approx(result, rel=1e-9)


def _quantity(text: str) -> str:
    """What a text gives, as one quantity in base units."""
    dimension = parse(text).dimension({})
    return f"{value(text)!r} {'' if dimension.is_dimensionless else dimension}".strip()


@pytest.mark.parametrize("name", list(BLOCKS))
def test_the_working_shows_what_it_stands_for(name: str) -> None:
    shown = parse(FUNCTIONS[name].example).substituted({})
    if isinstance(BLOCKS[name].stands_for, Native):
        assert shown == parse(FUNCTIONS[name].example).symbols()
    else:
        assert f"{name}(" not in shown
        assert all(text in shown for text in arguments(name) if text != "1")


@pytest.mark.parametrize("name", list(BLOCKS))
def test_a_sheet_full_of_samples_is_quick(name: str) -> None:
    rng = np.random.default_rng(1)
    arrays = {
        f"x{place}": value(text) * (np.ones(SAMPLES) if place in WHOLE.get(name, ()) else rng.uniform(0.8, 1, SAMPLES))
        for place, text in enumerate(arguments(name))
    }
    formula = parse(call(name, *arrays))
    formula.samples({one: array[:10] for one, array in arrays.items()})  # imports
    began = time.process_time()
    got = formula.samples(arrays)
    assert time.process_time() - began < 0.5
    assert np.isfinite(got).all()
    first = formula.value({one: float(array[0]) for one, array in arrays.items()})
    assert np.broadcast_to(got, SAMPLES)[0] == pytest.approx(first, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stored(10 events/s, 500 B/row, 30 days)", "'500 B/row' is per row"),
        ("stored(10 events/s, 500 B/row, 30 days)", "nothing else is in 'row'"),
        ("stored(10 events/user/hour, 500 B, 1 year)", "is per user, and nothing else is in 'user'"),
        ("stored(10 MB/s, 500 B, 1 day)", "would give B^2, it is for B; look at the units"),
        ("monthly_cost(10 servers, $500)", "would give USD, it is for USD/s"),
        ("partitions(10 MB/s, 5 MB/s, 3 requests/s)", "cannot take the max of 'arrivals ÷ produced', which is"),
        ("partitions(10 MB/s, 0 MB/s, 3 MB/s)", "'arrivals ÷ produced' divides by zero"),
        ("catch_up_time(5 rows, 1 row/s, 1 row/s)", "'behind ÷ (consumed - arrivals)' divides by zero"),
        ("catch_up_time(5 rows, 1 row/s, 2 rows/s)", "behind ÷ (consumed - arrivals) is below zero; look at what"),
        ("servers_for_load(1 row/s, 1 s, 0 %)", "divides by zero"),
        ("servers_for_wait(1 row/s, 1 s, 100 %, 1 s)", "the percentile is 1, but must be a share above 0"),
        ("servers_for_wait(10 rows/s, 1 s, 99 %, 1 s, 0)", "divides by zero"),
        ("servers_for_response(1 row/s, 1 s, 99 %, 1 s)", "the service alone takes 4.605 s at this percentile"),
        ("mean_wait(9 rows/s, 1 s, 9)", "the load of 9 is at least the capacity of 9"),
        ("lru_hit_ratio(5, 0, 1)", "the number of keys must be from 1 to"),
        ("k_of_n(3, 2, 99 %)", "more parts are needed than there are"),
        ("k_of_n(1.5, 2, 99 %)", "the number of parts needed is 1.5, but must be a whole number"),
        ("k_of_n(1, 1e9, 99 %)", "the number of parts is 1e+09"),
        ("sms_segments(100, 8)", "the alphabet has 7 or 16 bits"),
        ("stored(1e300 rows/s, 1e300 B, 1 s)", "gives no finite number"),
        ("stord(1)", "did you mean 'stored'?"),
        ("zzz(1)", "'python -m estimators functions' lists them"),
    ],
)
def test_messages(text: str, says: str) -> None:
    assert says in refused(text)


def test_count_nouns_are_dropped_where_a_unit_is_given() -> None:
    assert str(parse("embedding_memory(1 million videos, 256)").dimension({})) == "B"
    assert str(parse("embedding_memory(1 million videos, 256 features/video, 4 B/feature)").dimension({})) == "B"
    assert str(parse("training_time(1 FLOP, 8 gpus, 1 FLOPS/gpu, 1)").dimension({})) == "s"
    assert str(parse("peak_rate(5 views/s, 2)").dimension({})) == "view/s"


def test_a_block_inside_another_is_written_out_too() -> None:
    nested = "monthly_cost(servers_for_load(peak_rate(100 rows/s, 2), 1 s, 50 %), $1/hour)"
    assert parse(nested).substituted({}) == "ceil((100 rows/s × 2) × 1 s ÷ 50 %) × $1/hour"
    assert parse(nested).per == "month"
    assert parse("1 s + 2 s").per is None
    assert parse(parse(nested).substituted({})).value({}) == value(nested)


def test_nothing_is_read_before_it_is_called_for() -> None:
    code = (
        "import sys, estimators.formula as f; from estimators.blocks import BLOCKS; "
        "f.Formula.parse('stored(1 row/s, 1 B, 1 s)', f.Units()); "
        "print([name for name, block in BLOCKS.items() if 'function' in vars(block)], "
        "{'numpy', 'scipy'} & sys.modules.keys())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['stored'] set()"


def test_a_parameter_of_no_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        assert Block("x", "a: lenght", "a", None, "", "").function


def test_the_reference() -> None:
    run = CliRunner().invoke(functions_command, [])
    assert run.exit_code == 0
    assert all(f"  {one.signature}\n      {one.about}" in run.output for one in FUNCTIONS.values())
    assert all(section in run.output.splitlines() for section in SECTIONS)


def test_the_reference_of_one() -> None:
    run = CliRunner().invoke(functions_command, ["tokens_per_second"])
    assert run.output.splitlines() == [
        "tokens_per_second(memory, model, batch = 1) = memory ÷ model × batch",
        FUNCTIONS["tokens_per_second"].about,
        "gives: token/s",
        "source: Pope et al., Efficiently Scaling Transformer Inference, 2022, section 2",
        "example: tokens_per_second(3.35 TB/s, 140 GB, 8) = 3.35 TB/s ÷ 140 GB × 8 = 191.4 token/s",
    ]
    assert "min(x, y, ...)" in CliRunner().invoke(functions_command, ["min"]).output


def test_the_reference_as_json() -> None:
    entries = json.loads(CliRunner().invoke(functions_command, ["--json"]).output)
    assert [entry["name"] for entry in entries] == list(FUNCTIONS)
    keys = {"name", "section", "signature", "about", "stands_for", "unit", "source", "example", "value"}
    assert all(entry.keys() == keys for entry in entries)
    one = json.loads(CliRunner().invoke(functions_command, ["waves", "--json"]).output)
    assert [(entry["name"], entry["value"]) for entry in one] == [("waves", "4")]


def test_a_reference_of_nothing() -> None:
    run = CliRunner().invoke(functions_command, ["storid"])
    assert (run.exit_code, run.stderr) == (1, "'storid' is not a function; did you mean 'stored'?\n")
    run = CliRunner().invoke(functions_command, ["?"])
    assert (run.exit_code, run.stderr) == (1, "'?' is not a function; 'python -m estimators functions' lists them\n")
