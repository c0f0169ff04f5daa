// Draws the request path: boxes left to right, or top to bottom where there is no room.
// Texts come from case files, so they are only ever set as textContent.
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100, LEAST_WIDTH = 104, MOST_WIDTH = 190, GAP_ALONG = 22, GAP_ACROSS = 16, MARGIN = 6;

function make(tag, attributes, parent, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function wrapped(label, letters) {
  const lines = [""];
  for (const word of label.split(" ")) {
    const last = lines[lines.length - 1];
    if (last && (last + " " + word).length > letters && lines.length < 2) lines.push(word);
    else lines[lines.length - 1] = last ? last + " " + word : word;
  }
  return lines.map((line) => (line.length > letters + 2 ? line.slice(0, letters + 1) + "…" : line));
}

function place(nodes, width) {
  const columns = 1 + Math.max(...nodes.map((n) => n.column));
  const rowsOf = (column) => nodes.filter((n) => n.column === column).length;
  const most = Math.max(...nodes.map((n) => rowsOf(n.column)));
  const along = (width - 2 * MARGIN - (columns - 1) * GAP_ALONG) / columns;
  const down = along < LEAST_WIDTH;
  const across = (width - 2 * MARGIN - (most - 1) * GAP_ACROSS) / most;
  const boxWidth = Math.min(MOST_WIDTH, down ? across : along);
  const total = down
    ? 2 * MARGIN + columns * HEIGHT + (columns - 1) * GAP_ALONG
    : 2 * MARGIN + most * HEIGHT + (most - 1) * GAP_ACROSS;
  const at = {};
  for (const n of nodes) {
    const rows = rowsOf(n.column);
    if (down) {
      const span = rows * boxWidth + (rows - 1) * GAP_ACROSS;
      at[n.name] = { x: (width - span) / 2 + n.row * (boxWidth + GAP_ACROSS), y: MARGIN + n.column * (HEIGHT + GAP_ALONG) };
    } else {
      const span = rows * HEIGHT + (rows - 1) * GAP_ACROSS;
      const used = columns * boxWidth + (columns - 1) * GAP_ALONG;
      at[n.name] = { x: (width - used) / 2 + n.column * (boxWidth + GAP_ALONG), y: (total - span) / 2 + n.row * (HEIGHT + GAP_ACROSS) };
    }
  }
  return { at, down, boxWidth, total };
}

function drawEdge(svg, from, to, down, w) {
  const [x1, y1] = down ? [from.x + w / 2, from.y + HEIGHT] : [from.x + w, from.y + HEIGHT / 2];
  const [x2, y2] = down ? [to.x + w / 2, to.y] : [to.x, to.y + HEIGHT / 2];
  const bend = down ? `C${x1},${(y1 + y2) / 2} ${x2},${(y1 + y2) / 2}` : `C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2}`;
  make("path", { class: "edge", d: `M${x1},${y1} ${bend} ${x2},${y2}` }, svg);
  const tip = down ? `${x2},${y2} ${x2 - 4},${y2 - 7} ${x2 + 4},${y2 - 7}` : `${x2},${y2} ${x2 - 7},${y2 - 4} ${x2 - 7},${y2 + 4}`;
  make("polygon", { class: "arrow", points: tip }, svg);
}

function drawBox(svg, n, at, w) {
  const g = make("g", { class: n.word, "data-stage": n.name, transform: `translate(${at.x},${at.y})` }, svg);
  make("title", {}, g, `${n.label}: ${n.load}, ${n.queue}, ${n.replicas} replicas. ${n.note}`);
  make("rect", { class: "box", width: w, height: HEIGHT, rx: 7 }, g);
  make("rect", { class: "tint", width: w, height: HEIGHT, rx: 7 }, g);
  const size = w < 128 ? 12 : 13;
  const lines = wrapped(n.label, Math.floor((w - 16) / (size * 0.56)));
  lines.forEach((line, i) => make("text", { class: "label", x: 9, y: 19 + i * 15, "font-size": size }, g, line));
  make("text", { x: 9, y: 56, "font-size": 12 }, g, n.load);
  make("text", { x: 9, y: 74, "font-size": 12 }, g, n.queue);
  make("text", { x: w - 9, y: 74, "font-size": 12, "text-anchor": "end", class: n.changed ? "changed" : "" }, g, n.replicas);
  if (n.changed) make("circle", { class: "changed", cx: w - 9, cy: 10, r: 4 }, g);
  if (n.queueShare > 0) {
    const h = Math.max(3, n.queueShare * (HEIGHT - 10));
    make("rect", { class: "queue", x: -5, y: HEIGHT - 5 - h, width: 5, height: h, rx: 1 }, g);
  }
  make("rect", { class: "track", x: 9, y: 84, width: w - 18, height: 7, rx: 2 }, g);
  make("rect", { class: "bar", x: 9, y: 84, width: (w - 18) * n.utilisation, height: 7, rx: 2 }, g);
  if (n.ghost !== null) {
    const x = 9 + (w - 18) * n.ghost;
    make("line", { class: "ghost", x1: x, x2: x, y1: 81, y2: 94 }, g);
  }
}

function draw(root, data) {
  const width = root.clientWidth;
  if (!width || !data) return;
  const { at, down, boxWidth, total } = place(data.nodes, width);
  root.classList.toggle("stale", data.stale);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${total}`);
  svg.setAttribute("height", total);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", data.summary);
  for (const [from, to] of data.edges) drawEdge(svg, at[from], at[to], down, boxWidth);
  for (const n of data.nodes) drawBox(svg, n, at[n.name], boxWidth);
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
