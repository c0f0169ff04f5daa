// Draws the request path: boxes left to right, or top to bottom where there is no room.
// Texts come from case files, so they are only ever set as textContent.
const SVG = "http://www.w3.org/2000/svg";
const BELOW = 66, LEAST_WIDTH = 104, MOST_WIDTH = 190, GAP_ALONG = 26, WIDE_GAP = 36, GAP_ACROSS = 16, MARGIN = 6;
const LANE = 12, LINE = 14, MOST_TAG_LINES = 2, LEAST_SMALL = 92, STACK = 4;
const LETTER = 6.3; // pixels of a letter of the numbers in a box, about

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

const inset = (n) => (n.kind === "ours" ? 9 : 13);

function labelLines(n, w, small) {
  const room = w - 2 * inset(n) + 2 - (n.kind === "person" ? 16 : 0);
  return wrapped(n.label.split(" "), Math.floor(room / ((small ? 12 : 13) * 0.56)), " ", 2);
}

function sizes(data, width) {
  const { columns, nodes } = data;
  const boxes = (slots) => slots.filter((name) => nodes[name]).length;
  const along = (gap) => (width - 2 * MARGIN - (columns.length - 1) * gap) / columns.length;
  const down = along(GAP_ALONG) < LEAST_WIDTH, gap = along(WIDE_GAP) < LEAST_WIDTH ? GAP_ALONG : WIDE_GAP;
  let w = Math.min(MOST_WIDTH, along(gap)), rows = columns.map((slots) => [slots]);
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
  const small = w < 128, lines = (n) => labelLines(n, w, small).length + tagLines(n.tags, Math.floor((w - 16) / 6)).length;
  const most = Math.max(2, ...Object.values(nodes).map(lines));
  return { down, rows, w, gap: down ? GAP_ALONG : gap, h: BELOW + most * LINE, small };
}

function place(data, width) {
  const { down, rows, w, gap, h, small } = sizes(data, width);
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
        y += h + gap;
      }
    }
    total = y - gap + MARGIN;
  } else {
    const used = rows.length * w + (rows.length - 1) * gap;
    rows.forEach(([slots], column) => {
      for (const name of slots) {
        at[name] = { x: (width - used) / 2 + column * (w + gap), y: MARGIN + data.heights[name] * (h + GAP_ACROSS) };
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
  const path = make("path", { class: line.kind === "call" ? "edge call" : "edge", d }, g);
  const [x, y] = points[points.length - 1];
  make("polygon", { class: "arrow", points: down ? `${x},${y} ${x - 4},${y - 7} ${x + 4},${y - 7}` : `${x},${y} ${x - 7},${y - 4} ${x - 7},${y + 4}` }, g);
  return path;
}

function outline(kind, w, h, attributes, parent) {
  if (kind === "external") {
    const c = 12;
    const points = `${c},0 ${w - c},0 ${w},${c} ${w},${h - c} ${w - c},${h} ${c},${h} 0,${h - c} 0,${c}`;
    return make("polygon", { ...attributes, points }, parent);
  }
  return make("rect", { ...attributes, width: w, height: h, rx: kind === "person" ? 26 : 7 }, parent);
}

// What changes with the clock is given back: `fill` sets it.
function drawBox(svg, name, n, { at, w, h, small }) {
  const g = make("g", { "data-stage": name, transform: `translate(${at[name].x},${at[name].y})` }, svg);
  make("title", {}, g, `${n.said} ${n.note}`.trim());
  if (n.shards) for (const by of [2 * STACK, STACK]) {
    make("rect", { class: "box", x: by / 2, y: by, width: w - by, height: h - by / 2, rx: 7 }, g);
  }
  outline(n.kind, w, h, { class: "box" }, g);
  outline(n.kind, w, h, { class: "tint" }, g);
  const left = inset(n), lines = labelLines(n, w, small);
  lines.forEach((line, i) => make("text", { class: "label", x: left, y: 19 + i * 15, "font-size": small ? 12 : 13 }, g, line));
  const letters = Math.floor((w - 16) / 6);
  const tags = tagLines(n.tags, letters).map((line, i) => make("text", { x: left, y: 20 + (lines.length + i) * LINE, "font-size": 11 }, g, line));
  const box = { g, n, w, h, left, letters, tags };
  box.load = make("text", { x: left, y: h - 44, "font-size": 12 }, g);
  box.queue = make("text", { x: left, y: h - 26, "font-size": 12 }, g);
  box.fleet = make("text", { x: w - left, y: h - 26, "font-size": 12, "text-anchor": "end", class: n.changed ? "changed" : "" }, g);
  if (n.kind === "person") {
    const person = make("g", { class: "figure", transform: `translate(${w - 25},8)` }, g);
    make("circle", { cx: 6, cy: 4, r: 3.6 }, person);
    make("path", { d: "M0,17 C0,7 12,7 12,17 Z" }, person);
  }
  if (n.changed) make("circle", { class: "changed", cx: w - 9, cy: 10, r: 4 }, g);
  box.waits = make("rect", { class: "queue", x: -5, width: 5, rx: 1 }, g);
  if (n.utilisation !== null) { // else there is no capacity to be a share of
    make("rect", { class: "track", x: left, y: h - 16, width: w - 2 * left, height: 7, rx: 2 }, g);
    box.bar = make("rect", { class: "bar", x: left, y: h - 16, height: 7, rx: 2 }, g);
    if (n.ghost !== null) box.ghost = make("line", { class: "ghost", y1: h - 19, y2: h - 6 }, g);
  }
  fill(box, n);
  return box;
}

// The numbers of a box: those of the whole run, as the node has them, or those of a moment.
function fill(box, now) {
  const { g, n, w, h, left } = box;
  g.setAttribute("class", [now.word, n.optional ? "optional" : "", n.lit ? "lit" : ""].filter(Boolean).join(" "));
  box.load.textContent = now.load;
  // In a narrow box the words make room for the numbers; the drawing says them where it is spoken.
  const narrow = (now.queue + now.fleet).length * LETTER > w - 2 * left - LETTER;
  box.queue.textContent = narrow ? now.queue.replace("queue", "q") : now.queue;
  box.fleet.textContent = now.fleet;
  const lines = tagLines(now.tags, box.letters);
  box.tags.forEach((text, i) => (text.textContent = lines[i] ?? ""));
  const tall = now.queueShare > 0 ? Math.max(3, now.queueShare * (h - 10)) : 0;
  box.waits.setAttribute("y", h - 5 - tall);
  box.waits.setAttribute("height", tall);
  if (box.bar) box.bar.setAttribute("width", (w - 2 * left) * (now.utilisation ?? 0));
  if (box.ghost) {
    const x = left + (w - 2 * left) * (now.ghost ?? 0);
    box.ghost.setAttribute("x1", x);
    box.ghost.setAttribute("x2", x);
    box.ghost.setAttribute("visibility", now.ghost === null ? "hidden" : "visible");
  }
}

// The picture in `root`; gives the boxes by stage, the paths by line, and where all stands.
function draw(root, data, width) {
  const placed = place(data, width);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${placed.total}`);
  svg.setAttribute("height", placed.total);
  svg.setAttribute("role", data.watch ? "group" : "img");
  svg.setAttribute("aria-label", data.summary);
  const paths = data.lines.map((line) => drawLine(svg, line, placed));
  const boxes = {};
  for (const [name, node] of Object.entries(data.nodes)) boxes[name] = drawBox(svg, name, node, placed);
  root.replaceChildren(svg);
  return { placed, paths, boxes, width };
}
