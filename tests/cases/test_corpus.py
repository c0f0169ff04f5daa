"""The conformance corpus: bad files named after what is wrong, each with the exact message; good files."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cases.__main__ import cli
from cases.errors import CaseError
from cases.files import load

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))


def test_the_corpus_is_there() -> None:
    assert len(BAD) >= 165
    assert len(GOOD) >= 5
    assert {path.stem for path in BAD} == {path.stem for path in (HERE / "bad").glob("*.txt")}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(CaseError) as error:
        load(Path(path.name))
    assert f"{error.value}\n" == path.with_suffix(".txt").read_text(encoding="utf-8")
    for line in str(error.value).splitlines():
        assert line.isprintable()
        assert len(line) < 400


@pytest.mark.parametrize("stem", ["duplicate_key", "several_errors_at_once", "billion_laughs", "not_utf8"])
def test_the_command_prints_the_message_and_ends_with_1(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE / "bad")
    result = CliRunner().invoke(cli, ["check", f"{stem}.yaml"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == Path(f"{stem}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good(path: Path) -> None:
    case = load(path)
    assert case.stages
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{path}: fine")
