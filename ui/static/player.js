// Moves the picture: a clock, the numbers of each moment, and dots for some of the requests. Nothing is asked for meanwhile.
// Times are in ticks, tenths of a millisecond of simulated time. The clock at 0 or at the end shows the whole run.
const SHARES = 10_000; // of a utilisation
const GLIDE = 0.45; // seconds, of whoever watches, that a dot takes along a line
const STEPS = 24; // points of a line
const MOST_WAITING = 24; // dots at a box
const RADIUS = 2.6;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const pointsOf = (path) => {
  const length = path.getTotalLength();
  return Array.from({ length: STEPS + 1 }, (_, i) => path.getPointAtLength((length * i) / STEPS));
};

// -- the player ---------------------------------------------------------------------------------------------------------

class Player {
  constructor(parent) {
    this.root = parent.querySelector(".diagram");
    this.bar = parent.querySelector(".bar");
    this.bench = parent.querySelector(".bench");
    this.clock = 0;
    this.playing = false;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.line = new TimeLine(this);
    this.root.addEventListener("click", (event) => this.choose(event.target.closest?.("[data-stage]")));
    this.root.addEventListener("keydown", (event) => this.key(event));
    calm.addEventListener?.("change", () => this.paint());
    new ResizeObserver(() => this.build()).observe(this.root);
  }

  // New data: in place, and the clock goes on from where it stands.
  take(component) {
    const fresh = !this.data, data = this.unpacked(component.data);
    this.component = component;
    if (fresh || data.case !== this.data.case) {
      this.playing = false;
      this.clock = 0;
      this.speed = data.watch?.speeds[data.watch.speed];
      this.chosen = data.chosen;
      this.asked = undefined;
    }
    const same = !fresh && JSON.stringify(data.nodes) === JSON.stringify(this.data.nodes) && JSON.stringify(data.lines) === JSON.stringify(this.data.lines) && !data.watch === !this.data.watch;
    this.data = data;
    this.end = data.watch?.frames.ends.at(-1) ?? 0;
    this.clock = Math.min(this.clock, this.end);
    this.moves = data.watch?.scene ? unfold(data.watch.scene, data.lines) : null;
    // A choice that the page has not answered yet counts more than what it says of an older one.
    if (data.chosen === this.asked) this.asked = undefined;
    if (this.asked === undefined) this.chosen = data.chosen;
    this.bar.hidden = this.bench.hidden = !data.watch;
    if (same && this.drawn) this.refresh();
    else this.build();
    this.go(data.watch?.go);
  }

  // What is large comes as text, so that what has not changed need not be read again.
  unpacked(data) {
    if (!data.watch) return data;
    const watch = { ...data.watch }, known = this.texts ?? {};
    this.texts = {};
    for (const part of ["frames", "ghost", "scene"]) {
      const text = watch[part];
      if (text) this.texts[text] = watch[part] = known[text] ?? JSON.parse(text);
    }
    return { ...data, watch };
  }

  // The page moves the clock: a link did, or the browser's Back, or a button. Each wish counts once.
  go(wish) {
    if (!wish || wish.turn === this.turn) return;
    this.turn = wish.turn;
    this.playing = false;
    this.at = wish.to || null;
    this.seek(wish.to * TICKS);
    this.say();
  }

  // Where the clock stands, once it stands.
  tell() {
    if (!this.data.watch?.go || this.playing) return;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      const at = this.resting ? null : Number((this.clock / TICKS).toPrecision(4));
      if (at === this.at) return;
      this.at = at;
      this.component.setStateValue("at", at);
    }, 300);
  }

  build() {
    const width = this.root.clientWidth;
    if (!width || !this.data) return;
    const focused = this.root.getRootNode().activeElement?.dataset?.stage;
    this.drawn = draw(this.root, this.data, width);
    this.drawn.points = this.drawn.paths.map(pointsOf);
    if (this.data.watch) {
      this.root.appendChild(this.canvas);
      const scale = window.devicePixelRatio || 1;
      Object.assign(this.canvas, { width: width * scale, height: this.drawn.placed.total * scale });
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${this.drawn.placed.total}px` });
      for (const { g } of Object.values(this.drawn.boxes)) {
        g.setAttribute("role", "button");
        g.setAttribute("tabindex", "0");
      }
      this.drawn.boxes[focused]?.g.focus({ preventScroll: true });
    }
    this.refresh();
  }

  // All that is seen, after new data or a new size.
  refresh() {
    this.row = undefined;
    if (this.data.watch) this.line.build(this.data.watch);
    this.paint();
    this.press();
    if (this.playing) this.run();
  }

  // -- what people do

  choose(box) {
    if (!box || !this.data.watch) return;
    const name = box.dataset.stage;
    this.asked = this.chosen = this.chosen === name ? null : name;
    this.press();
    box.focus({ preventScroll: true });
    this.component.setTriggerValue("stage", this.chosen ?? "");
  }

  key(event) {
    if (!this.data.watch) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.step(by);
    else if (event.key === "Enter" || event.key === " ") this.choose(event.target.closest("[data-stage]"));
    else return;
    event.preventDefault();
  }

  step(by) {
    const size = this.end > 5 * TICKS ? TICKS : TICKS / 10;
    this.seek(this.clock + by * size);
    this.tell();
  }

  seek(at) {
    this.clock = Math.max(0, Math.min(at, this.end));
    this.paint();
  }

  toggle() {
    this.playing = !this.playing;
    if (this.playing && this.clock >= this.end) this.clock = 0;
    this.paint();
    this.say();
    this.tell();
    if (this.playing) this.run();
  }

  // -- time

  get resting() {
    return !this.playing && (this.clock <= 0 || this.clock >= this.end);
  }

  run() {
    if (this.frame) return;
    let last = performance.now();
    const step = (now) => {
      this.frame = null;
      if (!this.root.isConnected || !this.playing) return;
      this.clock += (Math.min(now - last, 250) / 1000) * TICKS * this.speed;
      last = now;
      if (this.clock >= this.end) {
        this.clock = this.end;
        this.playing = false;
        this.say();
        this.tell();
      }
      this.paint();
      if (this.playing) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // -- what is seen

  // The row of the timeline that the clock is in; null: the whole run.
  rowAt(ends) {
    if (this.resting) return null;
    let row = 0;
    while (row < ends.length - 1 && ends[row] < this.clock) row++;
    return row;
  }

  paint() {
    if (!this.drawn || !this.data.watch) return;
    const { frames, ghost } = this.data.watch;
    const row = this.rowAt(frames.ends);
    if (row !== this.row) {
      this.row = row;
      const before = ghost && row !== null && this.clock <= ghost.ends.at(-1) ? this.rowAt(ghost.ends) : null;
      for (const [name, box] of Object.entries(this.drawn.boxes)) {
        fill(box, row === null ? box.n : this.moment(box.n, frames.stages[name], row, ghost?.stages[name], before));
      }
    }
    this.line.paint(row);
    this.dots();
  }

  // A box at a moment. Its tags that say what happened are of the whole run, so they are left out.
  moment(n, stage, row, ghost, before) {
    const busy = stage.utilisation[row], waiting = stage.waiting[row], replicas = stage.replicas[row];
    const share = busy === null ? null : busy / SHARES, there = replicas === null ? null : replicas / SHARES;
    const endless = n.utilisation === null;
    const word = endless ? "endless" : busy === null ? "ok" : stage.words[row];
    const then = before === null || !ghost ? null : ghost.utilisation[before];
    return {
      word,
      load: endless ? `${amount(stage.come[row] / SHARES)}/s` : busy === null ? "nobody there" : `${percent(share)} ${word}`,
      queue: n.queue && `queue ${amount(waiting)}`,
      fleet: n.fleet && there !== null ? `×${there < 10 ? amount(there) : Math.round(there).toLocaleString("en")}` : n.fleet,
      tags: n.is,
      utilisation: share === null ? null : Math.min(share, 1),
      ghost: then === null ? null : Math.min(then / SHARES, 1),
      queueShare: waiting / Math.max(this.data.watch.frames.longest, 1),
    };
  }

  dots() {
    const scale = window.devicePixelRatio || 1, pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.shown = 0;
    if (this.resting || calm.matches || !this.moves) return;
    const style = getComputedStyle(this.root);
    const usual = style.getPropertyValue("--st-primary-color") || "#0b5cad", bad = style.getPropertyValue("--bad");
    const span = GLIDE * TICKS * this.speed, { hops, ends } = this.moves;
    const spot = (x, y, colour) => {
      pen.beginPath();
      pen.arc(x, y, RADIUS, 0, 7);
      pen.fillStyle = colour;
      pen.fill();
      this.shown++;
    };
    for (let i = first(hops, this.clock - span); i < hops.length && hops[i].at <= this.clock; i++) {
      const hop = hops[i], way = (this.clock - hop.at) / span;
      const { x, y } = along(this.drawn.points[hop.line], hop.back ? 1 - way : way);
      spot(x, y, hop.again ? bad : usual);
    }
    for (const { x, y, again } of this.waiting()) spot(x, y, again ? bad : usual);
    pen.strokeStyle = bad;
    pen.lineWidth = 2;
    for (let i = first(ends, this.clock - span); i < ends.length && ends[i].at <= this.clock; i++) {
      // A visit that ended without an answer: a ring that widens at its box.
      const { x, y } = this.drawn.placed.at[ends[i].stage], way = (this.clock - ends[i].at) / span;
      pen.globalAlpha = 1 - way;
      pen.beginPath();
      pen.arc(x + this.drawn.placed.w - 14, y + this.drawn.placed.h - 56, 3 + 7 * way, 0, 7);
      pen.stroke();
      pen.globalAlpha = 1;
    }
  }

  // Where the dots of those that wait stand: two rows before the box, a dot for each request.
  *waiting() {
    const { at, h, down } = this.drawn.placed, here = {};
    for (const wait of this.moves.waits) {
      if (wait.from > this.clock || wait.to <= this.clock) continue;
      const known = (here[wait.stage] ??= new Set());
      if (known.has(wait.journey) || known.size >= MOST_WAITING) continue;
      const k = known.size, { x, y } = at[wait.stage];
      known.add(wait.journey);
      const far = 10 + 7 * (k % 2), aside = 7 + 7 * (k >> 1);
      yield down ? { x: x + aside, y: y - far + 1 } : { x: x - far, y: y + h - aside };
    }
  }

  press() {
    for (const [name, { g, n }] of Object.entries(this.drawn?.boxes ?? {})) {
      if (!this.data.watch) continue;
      g.setAttribute("aria-pressed", String(name === this.chosen));
      g.setAttribute("aria-label", n.said);
    }
  }

  // For who does not see it: spoken when it stops or starts, and the boxes say what they show.
  say() {
    const { frames } = this.data.watch, row = this.rowAt(frames.ends);
    const clock = `${seconds(this.clock, this.end)} of ${seconds(this.end, this.end)} seconds`;
    this.line.spoken.textContent = this.playing ? "Playing" : row === null ? "The whole run" : `Paused at ${clock}. ${this.line.said(row)}`;
    for (const box of Object.values(this.drawn.boxes)) {
      const parts = [box.load, box.queue, box.fleet].map((text) => text.textContent).filter(Boolean);
      box.g.setAttribute("aria-label", this.resting ? box.n.said : `${box.n.label}: ${parts.join(", ")}.`);
    }
  }
}

function along(points, way) {
  const place = Math.max(0, Math.min(way, 1)) * STEPS, i = Math.min(Math.floor(place), STEPS - 1), rest = place - i;
  const a = points[i], b = points[i + 1];
  return { x: a.x + (b.x - a.x) * rest, y: a.y + (b.y - a.y) * rest };
}

export default function (component) {
  const parent = component.parentElement;
  const root = parent.querySelector(".diagram");
  root.player ??= new Player(parent);
  root.player.take(component);
}
