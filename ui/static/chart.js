// Draws a Plotly figure in place. Colours of text and grid follow the page's theme. Points that have `customdata` are
// buttons: a click, Enter or Space tells Python which it was.
const LINE = 15; // pixels of a line of words
const WORDS = 11; // and of its letters
const GRID = "rgba(128,128,128,0.28)";
let loading = null;

function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("/assets/plotly.min.js", window.location.origin).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = reject;
    document.head.appendChild(script);
  });
  return loading;
}

// Drawing takes longer than all else on the page, so what else came with it is painted first.
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

// Plotly reads markup.
const asText = (words) => words.replace(/[&<>]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[letter]);

// What happens stands in rows between the plot and the legend, each over the moment when it begins.
function label(layout, marks, font) {
  const { l, r, b } = layout.margin, [first, last] = layout.xaxis.range, wide = layout.width - l - r;
  const places = marks.map(([at, text]) => ({ at: l + ((at - first) / (last - first)) * wide, text }));
  const placed = inRows(places, l, layout.width - r, `${WORDS}px ${font}`);
  const rows = Math.max(...placed.map(({ row, lines }) => row + lines.length));
  layout.margin.t += rows * LINE;
  layout.legend.y += (rows * LINE) / (layout.height - layout.margin.t - b);
  layout.annotations = placed.flatMap(({ x, row, lines }) => lines.map((line, i) => ({
    text: asText(line), font: { size: WORDS }, showarrow: false, borderpad: 0, xref: "paper", yref: "paper",
    x: (x - l) / wide, xanchor: "left", y: 1, yanchor: "bottom", yshift: (rows - row - i - 1) * LINE,
  })));
}

// Each point is reached by the Tab key, looks as it does under the pointer, and says what it says there.
function press(root, Plotly, traces) {
  const points = traces.flatMap(({ customdata = [], meta = [] }, curveNumber) => customdata.map((name, pointNumber) => ({
    name, said: meta[pointNumber], at: [{ curveNumber, pointNumber }],
  })));
  root.setAttribute("role", points.length ? "group" : "img"); // what is within an image cannot be pressed
  root.querySelectorAll(".points path.point").forEach((path, i) => {
    if (!points[i]) return;
    const { name, said, at } = points[i];
    for (const [key, value] of Object.entries({ role: "button", tabindex: 0, "aria-label": said })) path.setAttribute(key, value);
    path.onfocus = () => Plotly.Fx.hover(root, at);
    path.onblur = () => Plotly.Fx.unhover(root, at);
    path.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      root.tell(name);
    };
  });
  root.removeAllListeners("plotly_click");
  root.on("plotly_click", ({ points: [{ customdata }] }) => typeof customdata === "string" && root.tell(customdata));
}

// Only what is new is drawn: another figure, width or theme.
function draw(root, Plotly) {
  const style = getComputedStyle(root), { color, fontFamily: family } = style, width = root.clientWidth;
  const ground = style.getPropertyValue("--st-background-color") || "#888";
  const wanted = [root.figure, width, color, ground].join("\n");
  if (!width || root.drawn === wanted) return;
  root.drawn = wanted;
  const { data, layout, marks } = JSON.parse(root.figure);
  for (const axis of ["xaxis", "yaxis"]) Object.assign(layout[axis], { gridcolor: GRID, linecolor: GRID });
  Object.assign(layout, { width, font: { family, color, size: 12 }, hoverlabel: { bgcolor: ground, font: { color, family } } });
  if (marks.length) label(layout, marks, family);
  Plotly.react(root, data, layout, { displayModeBar: false }).then(() => press(root, Plotly, data));
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".chart");
  root.figure = data.figure;
  root.tell = (name) => setTriggerValue("picked", name);
  root.style.height = data.height + "px";
  if (!root.hasAttribute("role")) root.setAttribute("role", "img"); // until it is known what can be pressed
  root.setAttribute("aria-label", data.description);
  Promise.all([plotly(), painted()]).then(([Plotly]) => {
    if (root.figure !== data.figure || !root.isConnected) return;
    draw(root, Plotly);
    root.watched ??= new ResizeObserver(() => draw(root, Plotly));
    root.watched.observe(root);
  });
}
