"""Experiments: how many and how long, for a difference that somebody wants to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from estimators.errors import StagecraftError
from estimators.experiment_others import interleaving, judging, peeking
from estimators.experiment_plan import EXAMPLES, Setting, means, proportions
from estimators.experiment_words import GRID_TEACHES, Answer, claim_rows, grid_rows, told
from estimators.multiplicity import AGAINST, CORRECTIONS
from ui import state
from ui.charts import chart, power_figure
from ui.tables import plain, table

USUAL = "usual"


class Entry(NamedTuple):
    """One input: its key, its name on the page, what stands in it at first."""

    name: str
    label: str
    first: str = ""
    help: str | None = None


AIMS = {
    "lift": Entry("lift", "Lift to be found", "10 %", "relative: 10 % of 5 % makes 5.5 %"),
    "to": Entry("to", "Changed rate", "5.5 %"),
    "difference": Entry("difference", "Difference to be found", "30 s"),
    "half_width": Entry("half_width", "Half-width of the interval", "0.1 %"),
    "each": Entry("each", "In each arm", "20,000", "how much there is: what can it see?"),
    "duration": Entry("duration", "Duration", "14 days", "how long it runs: what can it see?"),
}
OF_MEANS = AIMS | {"half_width": AIMS["half_width"]._replace(first="30 s")}
SURE = [Entry("confidence", "Confidence", "95 %"), Entry("power", "Power", "80 %")]
TRAFFIC = [
    Entry("visitors", "Who can take part", "20k users/day", "may stay empty"),
    Entry("share", "Share of them who do", "100 %"),
]
KNOWN = Entry(
    "correlation", "Correlation with before", "", "CUPED: with the same measurement from before; may be empty"
)
JUDGED = {
    "precision": [Entry("precision", "About what it will be", "70 %"), Entry("half_width", "To within ±", "2 %")],
    "difference": [
        Entry("sd", "Sd of one query's difference", "0.25"),
        Entry("difference", "Difference to be found", "0.01"),
    ],
    "queries": [Entry("queries", "Queries", "5,000")],
}
JUDGED_WORDS = {
    "precision": "a share, to within a width",
    "difference": "a difference of two systems",
    "queries": "so many queries: only the work",
}
WORK = [
    Entry("results", "Results of each query", "10"),
    Entry("judgements", "Judgements of each result", "1"),
    Entry("judges", "Judges", "20", "may stay empty"),
    Entry("pace", "Judgements of one judge", "60/hour"),
    Entry("hours", "Work a day", "6 hours"),
]


def page() -> None:
    """The answer first; what is asked beside its tables."""
    state.begin("experiment")
    st.title("How large must the experiment be?", anchor=False)
    st.caption("Sample size, duration and power of A/B tests, interleaving and judging; and what looking early does.")
    with st.container(horizontal=True):
        for name in EXAMPLES:
            st.button(name, on_click=_take, args=(name,))
    st.session_state.setdefault("experiment:kind", "Rates")
    kind = st.segmented_control("Kind", list(KINDS), key="experiment:kind", persist_state="session")
    answer = st.container(key="experiment-answer")
    controls, picture = st.container(key="board").columns([1, 2.4], gap="medium")
    try:
        with controls:
            found = KINDS[kind or "Rates"]()
    except StagecraftError as error:
        answer.error(plain(str(error)), icon=":material/warning:")
    else:
        with answer:
            _say(found)
        with picture:
            _show(found)
    state.end()


def _take(name: str) -> None:
    """Put an example into the inputs."""
    asked, _ = EXAMPLES[name]
    aim = next(aim for aim in AIMS if aim in asked)
    settled: dict[str, str | bool] = {entry.name: entry.first for entry in (*TRAFFIC, *SURE, KNOWN)}
    settled |= {"arms": "2", "against": "control", "correction": USUAL, "unpooled": False}
    settled |= {"kind": "Rates", "aim:rates": aim, **asked, "example": name}
    for entry, value in settled.items():
        st.session_state[_key(entry)] = value


def _key(name: str) -> str:
    """Of an input for rates."""
    return f"experiment:{name}:rates" if name in AIMS else f"experiment:{name}"


def _say(answer: Answer) -> None:
    st.success(f"**{plain(answer.sentence)}**", icon=":material/science:")
    for note in answer.notes:
        st.warning(plain(note), icon=":material/info:")
    example = st.session_state.get("experiment:example")
    if example is not None and answer.kind == "proportions":
        asked, words = EXAMPLES[example]
        if all(st.session_state.get(_key(name)) == text for name, text in asked.items()):
            st.caption(plain(words))


def _show(answer: Answer) -> None:
    if answer.curve:
        each = answer.figures["each"]
        assert isinstance(each, int)
        wanted = answer.wanted_power
        chart("power", power_figure(answer.curve, each, wanted), f"Power by the size of an arm; planned are {each:,}.")
    if answer.claims:
        st.header("What it takes to say", anchor=False)
        table(claim_rows(answer), "What it takes to say")
    st.header("Working", anchor=False)
    st.markdown("\n".join(f"- {plain(line)}" for line in answer.working))
    st.header("Assumed", anchor=False)
    st.markdown("\n".join(f"- {plain(line)}" for line in answer.assumptions))
    if answer.grid:
        st.header("If rate and lift are not known", anchor=False)
        st.markdown(GRID_TEACHES)
        table(grid_rows(answer), "If rate and lift are not known")


def _text(entry: Entry, of: str = "") -> str | None:
    """What is in an input; None where it is empty."""
    key = f"experiment:{entry.name}{of}"
    st.session_state.setdefault(key, entry.first)
    given = st.text_input(entry.label, key=key, help=entry.help, max_chars=200, persist_state="session")
    return (given or "").strip() or None


def _texts(entries: list[Entry], of: str = "") -> dict[str, str | None]:
    return {entry.name: _text(entry, of) for entry in entries}


def _stated(asked: dict[str, str | None]) -> dict[str, str]:
    """Without what was left empty: there the usual holds."""
    return {name: text for name, text in asked.items() if text is not None}


def _choice(label: str, of: str, words: dict[str, str]) -> str:
    st.session_state.setdefault(f"experiment:{of}", next(iter(words)))
    key = f"experiment:{of}"
    return st.selectbox(label, list(words), format_func=words.__getitem__, key=key, persist_state="session")


def _aim(kind: str, aims: dict[str, Entry], *names: str) -> dict[str, str]:
    """Which of the questions is asked, and its figure."""
    aim = _choice("What is given", f"aim:{kind}", {name: aims[name].label for name in names})
    return {aim: _text(aims[aim], f":{kind}") or ""}


def _setting(aim: dict[str, str]) -> Setting:
    arms = _stated(_texts([Entry("arms", "Arms, with the control", "2", "as 9 banners")]))
    against = _choice("Compared", "against", AGAINST)
    correction = _choice("Correction", "correction", {USUAL: "the usual one"} | CORRECTIONS)
    more = _stated(_texts([*TRAFFIC, *SURE, KNOWN]))
    own = {name: text for name, text in aim.items() if name in ("half_width", "each", "duration")}
    return Setting(against=against, correction=None if correction == USUAL else correction, **arms, **more, **own)


def _rates() -> Answer:
    base = _text(Entry("base", "Base rate", "5 %")) or ""
    aim = _aim("rates", AIMS, "lift", "to", "half_width", "each", "duration")
    pooled = not st.checkbox("Unpooled variance", key="experiment:unpooled", persist_state="session")
    setting = _setting(aim)
    return told(proportions(base, lift=aim.get("lift"), to=aim.get("to"), pooled=pooled, setting=setting))


def _means() -> Answer:
    sd = _text(Entry("sd", "Standard deviation", "12 min"), ":means") or ""
    aim = _aim("means", OF_MEANS, "difference", "half_width", "each", "duration")
    return told(means(sd, difference=aim.get("difference"), setting=_setting(aim)))


def _interleaving() -> Answer:
    preference = _text(Entry("preference", "Decided queries won", "52 %")) or ""
    decided = _text(Entry("decided", "Queries whose clicks decide", "30 %")) or ""
    instead = _text(Entry("instead_of", "In place of an A/B test with", "3.84M users", "in all; may stay empty"))
    fewer = _text(Entry("fewer", "Times fewer, as published", "10..100")) or ""
    visitors = _text(Entry("visitors", "Who can take part", "20k queries/day", "may stay empty"), ":interleaving")
    sure = _stated(_texts(SURE))
    return interleaving(preference, decided, instead_of=instead, fewer=fewer, visitors=visitors, **sure)


def _judging() -> Answer:
    way = _choice("Judged for", "judged", JUDGED_WORDS)
    asked = {name: text or "" for name, text in _texts(JUDGED[way], ":judging").items()}
    sure = SURE if way == "difference" else SURE[:1]
    return judging(**asked, **_stated(_texts([*WORK, *sure])))


def _peeking() -> Answer:
    looks = _text(Entry("looks", "Looks at the result", "14")) or ""
    return peeking(looks, **_stated(_texts(SURE[:1])))


KINDS: dict[str, Callable[[], Answer]] = {
    "Rates": _rates,
    "Means": _means,
    "Interleaving": _interleaving,
    "Judging": _judging,
    "Peeking": _peeking,
}

page()
