// Draws a Plotly figure in place. Colours of text and grid follow the page's theme. A click on a point that has
// `customdata` tells Python which it was.
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

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".chart");
  root.latest = data;
  root.style.height = data.height + "px";
  root.setAttribute("role", "img");
  root.setAttribute("aria-label", data.description);
  Promise.all([plotly(), painted()]).then(([Plotly]) => {
    if (root.latest !== data || !root.isConnected) return;
    const { data: traces, layout } = JSON.parse(data.figure);
    const style = getComputedStyle(root);
    const grid = "rgba(128,128,128,0.28)";
    layout.font = { family: style.fontFamily, color: style.color, size: 12 };
    layout.hoverlabel = { bgcolor: style.getPropertyValue("--st-background-color") || "#888", font: { color: style.color } };
    for (const axis of ["xaxis", "yaxis"]) Object.assign(layout[axis], { gridcolor: grid, linecolor: grid });
    layout.autosize = true;
    Plotly.react(root, traces, layout, { displayModeBar: false, responsive: true });
    root.removeAllListeners("plotly_click");
    root.on("plotly_click", ({ points }) => {
      if (typeof points[0]?.customdata === "string") setTriggerValue("picked", points[0].customdata);
    });
  });
}
