// Draws the request path: boxes left to right, or top to bottom where there is no room.
// Texts come from case files, so they are only ever set as textContent.
const SVG = "http://www.w3.org/2000/svg";
const LEAST_HEIGHT = 100, LEAST_WIDTH = 104, MOST_WIDTH = 190, GAP_ALONG = 26, GAP_ACROSS = 16, MARGIN = 6;
const LANE = 12, LINE = 14, MOST_TAG_LINES = 2, LEAST_SMALL = 92, STACK = 4;

function make(tag, attributes, parent, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function wrapped(parts, letters, glue, most) {
  const lines = [""];
  for (const part of parts) {
    const last = lines[lines.length - 1];
    if (last && (last + glue + part).length > letters && lines.length < most) lines.push(part);
    else lines[lines.length - 1] = last ? last + glue + part : part;
  }
  return lines.map((line) => (line.length > letters + 2 ? line.slice(0, letters + 1).trimEnd() + "…" : line));
}

// Tags are left out whole, never cut; all of them are in the box's title and in the table.
function tagLines(tags, letters) {
  const lines = [];
  for (const tag of tags) {
    const last = lines[lines.length - 1];
    if (last && (last + ", " + tag).length <= letters) lines[lines.length - 1] = last + ", " + tag;
    else if (lines.length < MOST_TAG_LINES) lines.push(tag);
  }
  return lines;
}

function sizes(data, width) {
  const { columns, nodes } = data;
  const boxes = (slots) => slots.filter((name) => nodes[name]).length;
  const along = (width - 2 * MARGIN - (columns.length - 1) * GAP_ALONG) / columns.length;
  const down = along < LEAST_WIDTH;
  let w = Math.min(MOST_WIDTH, along), rows = columns.map((slots) => [slots]);
  if (down) {
    // As many boxes beside each other as can be read; what is left goes on below.
    const fit = Math.max(1, Math.floor((width - 2 * MARGIN + GAP_ACROSS) / (LEAST_SMALL + GAP_ACROSS)));
    rows = columns.map((slots) => {
      if (boxes(slots) <= fit) return [slots];
      const only = slots.filter((name) => nodes[name]), lines = Math.ceil(only.length / fit);
      const each = Math.ceil(only.length / lines);
      return Array.from({ length: lines }, (_, i) => only.slice(i * each, (i + 1) * each));
    });
    const sides = rows.some((lines) => lines.length > 1) ? 2 * GAP_ACROSS : 0; // for lines that pass
    const room = (slots) => (width - 2 * MARGIN - sides - (slots.length - 1) * GAP_ACROSS - (slots.length - boxes(slots)) * LANE) / boxes(slots);
    w = Math.min(MOST_WIDTH, ...rows.flat().filter((slots) => boxes(slots)).map(room));
  }
  const most = Math.max(0, ...Object.values(nodes).map((n) => tagLines(n.tags, Math.floor((w - 16) / 6)).length));
  return { down, rows, w, h: LEAST_HEIGHT + most * LINE, small: w < 128 };
}

function place(data, width) {
  const { down, rows, w, h, small } = sizes(data, width);
  const at = {}, passages = []; // passages: by row, where a line may pass between boxes
  let total;
  if (down) {
    let y = MARGIN;
    for (const column of rows) {
      for (const slots of column) {
        const row = passages.length, between = [];
        passages.push({ y, between });
        const wide = (name) => (data.nodes[name] ? w : LANE);
        let x = (width - slots.reduce((sum, name) => sum + wide(name) + GAP_ACROSS, -GAP_ACROSS)) / 2;
        between.push({ x: x - GAP_ACROSS / 2, lines: 0 });
        for (const name of slots) {
          at[name] = { x, y, row };
          x += wide(name) + GAP_ACROSS;
          between.push({ x: x - GAP_ACROSS / 2, lines: 0 });
        }
        y += h + GAP_ALONG;
      }
    }
    total = y - GAP_ALONG + MARGIN;
  } else {
    const used = rows.length * w + (rows.length - 1) * GAP_ALONG;
    rows.forEach(([slots], column) => {
      for (const name of slots) {
        at[name] = { x: (width - used) / 2 + column * (w + GAP_ALONG), y: MARGIN + data.heights[name] * (h + GAP_ACROSS) };
      }
    });
    const bottoms = Object.keys(at).map((name) => at[name].y + (data.nodes[name] ? h : h / 2 + LANE));
    total = Math.max(...bottoms) + MARGIN;
  }
  return { at, down, w, h, small, total, passages };
}

// From top to bottom: each row between is passed in the line's own lane, else between two boxes, lines side by side.
function passed(line, { at, passages, w, h }) {
  const from = at[line.start], to = at[line.end], points = [];
  let x = from.x + w / 2;
  for (let row = from.row + 1; row < to.row; row++) {
    const lane = line.lanes.map((name) => at[name]).find((place) => place && place.row === row);
    const { y, between } = passages[row];
    if (lane) x = lane.x + LANE / 2;
    else {
      const far = (p) => Math.abs(p.x - (to.x + w / 2)) + Math.abs(p.x - x) / 2;
      const best = between.reduce((a, b) => (far(b) < far(a) ? b : a));
      x = best.x + [0, -4, 4][best.lines++ % 3];
    }
    points.push([x, y - 2], [x, y + h + 2]);
  }
  return points;
}

function drawLine(svg, line, placed) {
  const { at, down, w, h } = placed;
  const from = at[line.start], to = at[line.end];
  const lanes = line.lanes.map((name) => at[name]);
  const points = down
    ? [[from.x + w / 2, from.y + h], ...passed(line, placed), [to.x + w / 2, to.y]]
    : [[from.x + w, from.y + h / 2], ...lanes.flatMap((l) => [[l.x, l.y + h / 2], [l.x + w, l.y + h / 2]]), [to.x, to.y + h / 2]];
  let d = `M${points[0]}`;
  for (let i = 1; i < points.length; i++) {
    const [x1, y1] = points[i - 1], [x2, y2] = points[i];
    d += down ? ` C${x1},${(y1 + y2) / 2} ${x2},${(y1 + y2) / 2} ${x2},${y2}` : ` C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`;
  }
  const g = make("g", { "data-line": `${line.start} ${line.end}` }, svg);
  make("title", {}, g, line.words);
  make("path", { class: line.kind === "call" ? "edge call" : "edge", d }, g);
  const [x, y] = points[points.length - 1];
  make("polygon", { class: "arrow", points: down ? `${x},${y} ${x - 4},${y - 7} ${x + 4},${y - 7}` : `${x},${y} ${x - 7},${y - 4} ${x - 7},${y + 4}` }, g);
}

function outline(kind, w, h, attributes, parent) {
  if (kind === "external") {
    const c = 12;
    const points = `${c},0 ${w - c},0 ${w},${c} ${w},${h - c} ${w - c},${h} ${c},${h} 0,${h - c} 0,${c}`;
    return make("polygon", { ...attributes, points }, parent);
  }
  return make("rect", { ...attributes, width: w, height: h, rx: kind === "person" ? 26 : 7 }, parent);
}

function drawBox(svg, name, n, { at, w, h, small }) {
  const g = make("g", { class: n.optional ? `${n.word} optional` : n.word, "data-stage": name, transform: `translate(${at[name].x},${at[name].y})` }, svg);
  make("title", {}, g, `${n.said} ${n.note}`.trim());
  if (n.shards) for (const by of [2 * STACK, STACK]) {
    make("rect", { class: "box", x: by / 2, y: by, width: w - by, height: h - by / 2, rx: 7 }, g);
  }
  outline(n.kind, w, h, { class: "box" }, g);
  outline(n.kind, w, h, { class: "tint" }, g);
  const left = n.kind === "ours" ? 9 : 13, size = small ? 12 : 13;
  const room = w - 2 * left + 2;
  const lines = wrapped(n.label.split(" "), Math.floor((n.kind === "person" ? room - 16 : room) / (size * 0.56)), " ", 2);
  lines.forEach((line, i) => make("text", { class: "label", x: left, y: 19 + i * 15, "font-size": size }, g, line));
  const tags = tagLines(n.tags, Math.floor((w - 16) / 6));
  tags.forEach((line, i) => make("text", { x: left, y: 20 + (lines.length + i) * LINE, "font-size": 11 }, g, line));
  make("text", { x: left, y: h - 44, "font-size": 12 }, g, n.load);
  make("text", { x: left, y: h - 26, "font-size": 12 }, g, n.queue);
  make("text", { x: w - left, y: h - 26, "font-size": 12, "text-anchor": "end", class: n.changed ? "changed" : "" }, g, n.fleet);
  if (n.kind === "person") {
    const person = make("g", { class: "figure", transform: `translate(${w - 25},8)` }, g);
    make("circle", { cx: 6, cy: 4, r: 3.6 }, person);
    make("path", { d: "M0,17 C0,7 12,7 12,17 Z" }, person);
  }
  if (n.changed) make("circle", { class: "changed", cx: w - 9, cy: 10, r: 4 }, g);
  if (n.queueShare > 0) {
    const tall = Math.max(3, n.queueShare * (h - 10));
    make("rect", { class: "queue", x: -5, y: h - 5 - tall, width: 5, height: tall, rx: 1 }, g);
  }
  if (n.utilisation === null) return; // there is no capacity to be a share of
  make("rect", { class: "track", x: left, y: h - 16, width: w - 2 * left, height: 7, rx: 2 }, g);
  make("rect", { class: "bar", x: left, y: h - 16, width: (w - 2 * left) * n.utilisation, height: 7, rx: 2 }, g);
  if (n.ghost !== null) {
    const x = left + (w - 2 * left) * n.ghost;
    make("line", { class: "ghost", x1: x, x2: x, y1: h - 19, y2: h - 6 }, g);
  }
}

function draw(root, data) {
  const width = root.clientWidth;
  if (!width || !data) return;
  const placed = place(data, width);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${placed.total}`);
  svg.setAttribute("height", placed.total);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", data.summary);
  for (const line of data.lines) drawLine(svg, line, placed);
  for (const [name, node] of Object.entries(data.nodes)) drawBox(svg, name, node, placed);
  root.replaceChildren(svg);
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".diagram");
  root.latest = data;
  if (!root.watcher) {
    root.watcher = new ResizeObserver(() => draw(root, root.latest));
    root.watcher.observe(root);
  }
  draw(root, data);
}
