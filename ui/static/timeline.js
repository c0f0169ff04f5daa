// The time line under the picture: percentiles over simulated time, events as bands, and the clock. It is the seek bar.
const TALL = 168, PLOT = { left: 54, right: 12, top: 20, bottom: 22 };
const PERCENTILES = ["p50", "p95", "p99"];
const DECADE = [1, 2, 5];

class TimeLine {
  constructor(player) {
    const { bar, bench } = (this.player = player);
    this.button = element("button", { type: "button", class: "play" }, bar, "▶ Play");
    this.clock = element("span", { class: "clock" }, bar);
    this.values = element("div", { class: "values" }, bench);
    this.figures = Object.fromEntries(PERCENTILES.map((name) => {
      const value = element("span", { class: `value ${name}` }, this.values);
      element("i", { "aria-hidden": "true" }, value);
      element("span", {}, value, `${name} `);
      return [name, element("b", {}, value)];
    }));
    this.ghost = element("span", { class: "value was" }, this.values);
    element("i", { "aria-hidden": "true" }, this.ghost);
    element("span", {}, this.ghost, "baseline p99");
    const label = element("label", { class: "speed" }, bar, "Speed ");
    this.speed = element("select", {}, label);
    this.area = element("div", { class: "area" }, bench);
    this.range = element("input", { type: "range", min: 0, step: 1, "aria-label": "Simulated time" }, bench);
    this.legend = element("p", { class: "legend" }, bench);
    this.spoken = element("p", { class: "spoken", role: "status" }, bench);
    this.button.addEventListener("click", () => player.toggle());
    this.speed.addEventListener("change", () => (player.speed = Number(this.speed.value)));
    this.range.addEventListener("input", () => player.seek(Number(this.range.value)));
    this.range.addEventListener("change", () => player.tell());
    this.range.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (!by) return;
      event.preventDefault();
      player.step(by);
    });
    const point = (event) => {
      const box = this.area.getBoundingClientRect();
      player.seek(this.timeAt(event.clientX - box.left));
    };
    this.area.addEventListener("pointerdown", (event) => {
      this.area.setPointerCapture(event.pointerId);
      this.dragging = true;
      point(event);
    });
    this.area.addEventListener("pointermove", (event) => this.dragging && point(event));
    for (const over of ["pointerup", "pointercancel"]) this.area.addEventListener(over, () => {
      this.dragging = false;
      player.tell();
    });
  }

  x(ticks) {
    return PLOT.left + (ticks / Math.max(this.player.end, 1)) * (this.width - PLOT.left - PLOT.right);
  }

  timeAt(x) {
    return ((x - PLOT.left) / Math.max(this.width - PLOT.left - PLOT.right, 1)) * this.player.end;
  }

  y(latency) {
    const share = Math.log(latency / this.low) / Math.log(this.high / this.low);
    return this.floor - Math.max(0, Math.min(share, 1)) * (this.floor - this.top);
  }

  build(watch) {
    this.width = this.player.root.clientWidth;
    this.watch = watch;
    const { frames, ghost, objective } = watch, end = this.player.end;
    const known = [...PERCENTILES.flatMap((name) => frames.percentiles[name]), ...(ghost?.percentiles.p99 ?? []), objective && objective.at * 1000].filter((v) => v > 0);
    this.low = Math.min(...known, 1e12) / 1.15;
    this.high = Math.max(...known, 1) * 1.15;
    // What happens, as long as it lasts, with its words above.
    const right = this.width - PLOT.right, font = `11px ${getComputedStyle(this.area).fontFamily}`;
    const words = inRows(frames.marks.map(({ begin, label }) => ({ at: this.x(begin), text: label })), PLOT.left, right, font);
    const more = Math.max(0, ...words.map(({ row, lines }) => row + lines.length - 1)) * LINE, floor = TALL + more - PLOT.bottom;
    Object.assign(this, { top: PLOT.top + more, floor });
    const lanes = new Lanes(this, watch, this.player.data.nodes), bottom = TALL + more + lanes.height;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "time");
    svg.setAttribute("viewBox", `0 0 ${this.width} ${bottom}`);
    svg.setAttribute("height", bottom);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", watch.told);
    for (const mark of frames.marks) this.band(svg, mark);
    for (const { lines, x, row } of words) {
      lines.forEach((line, i) => make("text", { x, y: 12 + (row + i) * LINE, "font-size": 11 }, svg, line));
    }
    for (const value of this.ticksY()) {
      make("line", { class: "grid", x1: PLOT.left, x2: right, y1: this.y(value), y2: this.y(value) }, svg);
      make("text", { x: PLOT.left - 6, y: this.y(value) + 4, "text-anchor": "end", "font-size": 11 }, svg, latency(value));
    }
    for (const ticks of this.ticksX(end)) {
      const text = `${Number((ticks / TICKS).toFixed(2)).toLocaleString("en")} s`;
      make("text", { x: this.x(ticks), y: floor + PLOT.bottom - 6, "text-anchor": ticks ? "middle" : "start", "font-size": 11 }, svg, text);
    }
    if (ghost) make("path", { class: "was", d: this.path(ghost.ends, ghost.percentiles.p99) }, svg);
    if (objective) {
      make("line", { class: "objective", x1: PLOT.left, x2: right, y1: this.y(objective.at * 1000), y2: this.y(objective.at * 1000) }, svg);
      make("text", { x: right, y: this.y(objective.at * 1000) - 4, "text-anchor": "end", "font-size": 11 }, svg, objective.label);
    }
    for (const name of PERCENTILES) make("path", { class: name, d: this.path(frames.ends, frames.percentiles[name]) }, svg);
    lanes.draw(svg, TALL + more, right);
    this.cursor = make("line", { class: "cursor", y1: this.top - 4, y2: bottom }, svg);
    this.area.replaceChildren(svg);
    this.range.max = end;
    Object.assign(this.range.style, { marginLeft: `${PLOT.left - 8}px`, width: `${right - PLOT.left + 16}px` });
    this.ghost.hidden = !ghost;
    this.legend.textContent = watch.legend;
    this.speed.replaceChildren();
    for (const speed of watch.speeds) element("option", { value: speed }, this.speed, `${speed}×`);
    if (!watch.speeds.includes(this.player.speed)) this.player.speed = watch.speeds[watch.speed];
    this.speed.value = String(this.player.speed);
  }

  band(svg, { begin, end }) {
    const from = this.x(begin), to = Math.max(this.x(end), from + 2);
    make("rect", { class: "band", x: from, y: this.top - 4, width: to - from, height: this.floor - this.top + 4 }, svg);
  }

  path(ends, values) {
    let d = "", up = true, before = 0;
    ends.forEach((end, i) => {
      if (values[i] === null) up = true;
      else {
        d += `${up ? "M" : "L"}${this.x(Math.min((before + end) / 2, this.player.end)).toFixed(1)},${this.y(Math.max(values[i], this.low)).toFixed(1)}`;
        up = false;
      }
      before = end;
    });
    return d;
  }

  ticksY() {
    const found = [];
    for (let power = Math.floor(Math.log10(this.low)); power <= Math.log10(this.high); power++) {
      for (const n of DECADE) found.push(n * 10 ** power);
    }
    const inside = found.filter((v) => v >= this.low && v <= this.high);
    return inside.length > 6 ? inside.filter((v) => String(v).startsWith("1") || inside.length < 4) : inside;
  }

  ticksX(end) {
    const fit = Math.max(2, Math.floor((this.width - PLOT.left - PLOT.right) / 80)), rough = end / fit;
    const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power;
    return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
  }

  said(row) {
    return PERCENTILES.filter((name) => name === "p99").map((name) => `p99 ${latency(this.watch.frames.percentiles[name][row])}`).join("");
  }

  paint(row) {
    const { player, watch } = this;
    const clock = seconds(player.clock, player.end), end = seconds(player.end, player.end);
    const text = player.playing ? "❚❚ Pause" : "▶ Play";
    if (this.button.textContent !== text) this.button.textContent = text;
    this.clock.textContent = row === null ? "whole run" : `${clock} of ${end} s`;
    for (const name of PERCENTILES) {
      this.figures[name].textContent = row === null ? watch.whole[name] : latency(watch.frames.percentiles[name][row]);
    }
    const at = this.x(player.clock);
    this.cursor.setAttribute("x1", at);
    this.cursor.setAttribute("x2", at);
    this.range.value = player.clock;
    const spoken = row === null ? `${clock} of ${end} seconds, the whole run: p99 ${watch.whole.p99}` : `${clock} of ${end} seconds, ${this.said(row)}`;
    this.range.setAttribute("aria-valuetext", spoken);
  }
}
