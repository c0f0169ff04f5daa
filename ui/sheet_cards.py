"""The cards of a sheet as HTML: workings whose names are links, and beneath each number what it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from cases.cards import Card, Explained, Ground, Interval
from cases.tornado import Row

NAME = re.compile(r"[A-Za-z][\w.]*")
BASES = {
    "stated": "stated by the source in question",
    "published": "published",
    "measured": "measured",
    "estimate": "our estimate",
    "illustrative": "illustrative",
}


def anchor(name: str) -> str:
    """What the card of an estimate or assumption is called in links."""
    return f"number-{name.replace('.', '-')}"


def estimate_card(card: Card, opened: bool = False, anchored: bool = True) -> str:
    """An estimate: value, interval, working, and what it rests on, to be unfolded."""
    known = {one.name for one in (*card.assumptions, *card.between)}
    place = f' id="{anchor(card.name)}"' if anchored else ""
    unfolded = f"<summary>{escape(_summary(card))}</summary>{_beneath(card)}"
    return (
        f'<div class="card estimate"{place}><div class="head"><span>{escape(card.label)}</span>'
        f'<span class="value">{escape(card.value)}</span></div>{_interval(card)}'
        f"{_more(card.note)}{_working(card, known)}"
        f"<details{' open' if opened else ''}>{unfolded}</details></div>"
    )


def ground_text(one: Ground) -> str:
    """On whose word a number stands, with the source as a link where there is one."""
    where = _link(one.url, one.where) if one.url else escape(one.where)
    told = [escape(BASES.get(one.kind, one.kind)), escape(one.age)]
    said = ": ".join(part for part in (", ".join(part for part in told if part), where) if part)
    said += f" (read {escape(one.checked)})" if one.checked else ""
    changed = f"<b>Changed</b>; the case has {escape(one.instead_of)}, " if one.instead_of else ""
    return f"{changed}{said}{f'. {escape(one.note)}' if one.note else ''}"


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


def _to_card(name: str, text: str) -> str:
    return f'<a href="#{anchor(name)}" target="_self">{escape(text)}</a>'


def _more(text: str) -> str:
    return f'<div class="more">{escape(text)}</div>' if text else ""


def _interval(card: Card) -> str:
    if card.interval is None:
        return _more(f"No interval: {card.no_interval}") if card.no_interval else ""
    return f'<div class="more interval">{escape(card.interval.text)}{_interval_bar(card.interval)}</div>'


def _interval_bar(one: Interval) -> str:
    """The 90 % interval as a line, the median as a stroke on it, the point value as a dot. Its text says the same."""
    return (
        f'<span class="track" aria-hidden="true">{_span("span", one.low, one.high)}'
        f"{_mark('median', one.median)}{_mark('point', one.point)}</span>"
    )


def _span(kind: str, start: float, end: float) -> str:
    return f'<span class="{kind}" style="left:{start:.2%};right:calc(100% - {end:.2%})"></span>'


def _mark(kind: str, place: float) -> str:
    return f'<span class="{kind}" style="left:{place:.2%}"></span>'


def _working(card: Card, known: Iterable[str]) -> str:
    """With symbols, then with numbers put in, then the value; a step that changes nothing is left out."""
    working = card.working
    steps = list(dict.fromkeys(step for step in (working.symbols, working.substituted, working.value_text) if step))
    first, *rest = [_linked(step, known) if step == working.symbols else escape(step) for step in steps]
    lines = [f"<div>{escape(card.name)} = {first}</div>", *(f'<div class="step">= {step}</div>' for step in rest)]
    return f'<div class="working">{"".join(lines)}</div>'


def _linked(symbols: str, known: Iterable[str]) -> str:
    """A formula whose names are links to their cards."""
    parts, at = [], 0
    for found in NAME.finditer(symbols):
        name = found.group()
        parts += [escape(symbols[at : found.start()]), _to_card(name, name) if name in known else escape(name)]
        at = found.end()
    return "".join([*parts, escape(symbols[at:])])


def _summary(card: Card) -> str:
    """What is inside, before it is unfolded."""
    count = len(card.assumptions)
    said = f"Rests on {count} assumption{'' if count == 1 else 's'}" if count else "Rests on no assumption"
    return f"{said}; most on: {card.tornado[0].label}" if len(card.tornado) > 1 else said


def _beneath(card: Card) -> str:
    steps = "".join(f"<li>{_to_card(one.name, one.label)}: <b>{escape(one.value)}</b></li>" for one in card.between)
    paths = "".join(f"<li>{escape(one.label)}: <b>{escape(one.value)}</b></li>" for one in card.paths)
    grounds = "".join(
        f"<li>{_to_card(one.name, one.label)}: <b>{escape(one.value)}</b>"
        f'<div class="more">{ground_text(one)}</div></li>'
        for one in card.assumptions
    )
    functions = "".join(map(_function, card.functions))
    parts = (
        ("Assumptions", f"<ul>{grounds}</ul>" if grounds else ""),
        ("In between", f"<ul>{steps}</ul>" if steps else ""),
        ("From the request path", f"<ul>{paths}</ul>" if paths else ""),
        ("What drives it", _tornado(card)),
        ("Functions", f"<ul>{functions}</ul>" if functions else ""),
    )
    return "".join(f'<div class="part"><div class="title">{title}</div>{body}</div>' for title, body in parts if body)


def _function(one: Explained) -> str:
    source = f" ({one.source})" if one.source else ""
    return f"<li><code>{escape(one.signature)}</code>: {escape(one.about + source)}</li>"


def _tornado(card: Card) -> str:
    if not card.tornado:
        return ""
    exact = f"Taken as exact: {'; '.join(card.exact)}." if card.exact else ""
    return (
        f'<div class="tornado">{"".join(map(_bar, card.tornado))}</div>'
        '<div class="more">The estimate with each assumption at the two ends of its range and the others at their '
        f"point values, and the share of its variance that comes from it. {escape(exact)}</div>"
    )


def _bar(row: Row) -> str:
    share = f", {row.share} of the variance" if row.share else ""
    return (
        f"<div>{_to_card(row.name, row.label)} ({escape(row.given)}): {escape(row.ends)}{escape(share)}"
        f'<span class="track" aria-hidden="true">{_span("span", row.start, row.end)}</span></div>'
    )
