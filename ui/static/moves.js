// What the player and its time line share: texts of numbers, and what becomes of the requests that are shown.
// Times are in ticks, tenths of a millisecond of simulated time.
const TICKS = 10_000; // a second
const FIELDS = 7; // of a visit: stage, sent, joined, start, over, outcome, again
const ANSWERED = 1, CANCELLED = 5;

const element = (tag, attributes, parent, text) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent?.appendChild(node);
  return node;
};

// -- numbers as texts, as the report writes them ------------------------------------------------------------------------

const three = (value) => String(Number(value.toPrecision(3)));

function latency(microseconds) {
  if (microseconds === null || microseconds === undefined) return "–";
  const ms = microseconds / 1000;
  if (ms < 0.9995) return `${three(ms * 1000)} µs`;
  if (ms < 999.5) return `${three(ms)} ms`;
  return ms < 7.2e6 ? `${three(ms / 1000)} s` : `${three(ms / 3.6e6)} h`;
}

const percent = (share) => (share === null ? "" : `${(share * 100).toFixed(share >= 0.1 || share === 0 ? 0 : 1)} %`);

function amount(value) {
  if (value < 0.05) return "0";
  if (value < 10) return value.toFixed(1).replace(/\.0$/, "");
  return value < 1000 ? Math.round(value).toLocaleString("en") : `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)}k`;
}

const seconds = (ticks, end) => (ticks / TICKS).toFixed(end < 100 * TICKS ? 1 : 0);

// -- what becomes of the requests ---------------------------------------------------------------------------------------

// Dots on lines (when each leaves, and on which line), waits at boxes, and visits that ended badly; by time.
function unfold({ stages, journeys }, lines) {
  const into = {};
  lines.forEach((line, i) => (into[line.end] ??= []).push({ ...line, i }));
  const hops = [], waits = [], ends = [];
  journeys.forEach(([arrival, ...numbers], journey) => {
    const stays = [];
    for (let k = 0; k < numbers.length; k += FIELDS) {
      const [stage, sent, joined, start, over, outcome, again] = numbers.slice(k, k + FIELDS);
      stays.push({ stage: stages[stage], sent, joined, start, over: over < 0 ? Infinity : over, outcome, again });
    }
    for (const stay of stays) {
      for (const line of into[stay.stage] ?? []) {
        const left = line.kind === "call" || stay.again ? stay.sent : leaving(stays, line.start, stay.sent);
        if (left !== null) hops.push({ at: arrival + left, line: line.i, again: stay.again, back: 0 });
        if (line.kind === "call" && stay.outcome === ANSWERED) hops.push({ at: arrival + stay.over, line: line.i, again: 0, back: 1 });
      }
      const until = stay.start < 0 ? stay.over : stay.start;
      if (stay.joined >= 0 && until > stay.joined) waits.push({ from: arrival + stay.joined, to: arrival + until, stage: stay.stage, journey });
      if (stay.outcome > ANSWERED && stay.outcome < CANCELLED) ends.push({ at: arrival + stay.over, stage: stay.stage });
    }
  });
  for (const list of [hops, ends]) list.sort((a, b) => a.at - b.at);
  return { hops, waits, ends };
}

// When the answer of the stage before left for this one: the last that was there when it was called, else the first.
function leaving(stays, before, sent) {
  const answers = stays.filter((s) => s.stage === before && s.outcome === ANSWERED).map((s) => s.over).sort((a, b) => a - b);
  return answers.filter((over) => over <= sent).pop() ?? answers[0] ?? null;
}

// The first of a list by time that is not before this.
function first(list, at) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].at < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
