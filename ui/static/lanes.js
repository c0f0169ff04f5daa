// Under the time line, a lane for each stage: filled as high as it is busy, its queue as a line over that.
const LANE_TALL = 18, BETWEEN = 4, MOST_LANES = 24;

class Lanes {
  constructor(line, { frames }, nodes) {
    this.line = line;
    this.ends = frames.ends;
    this.longest = Math.max(frames.longest, 1);
    this.stages = busiest(Object.entries(frames.stages)).map(([name, stage]) => ({ ...stage, label: nodes[name].label }));
    this.height = this.stages.length * (LANE_TALL + BETWEEN);
  }

  draw(svg, top, right) {
    this.stages.forEach((stage, i) => {
      const foot = top + i * (LANE_TALL + BETWEEN) + LANE_TALL, g = make("g", { class: "lane" }, svg);
      make("rect", { class: "track", x: PLOT.left, y: foot - LANE_TALL, width: right - PLOT.left, height: LANE_TALL }, g);
      for (const [word, d] of Object.entries(this.filled(stage, foot))) make("path", { class: `load ${word}`, d }, g);
      if (Math.max(...stage.waiting) > 0) make("path", { class: "waits", d: this.queue(stage, foot) }, g);
      make("text", { x: PLOT.left + 4, y: foot - 5, "font-size": 11 }, g, stage.label);
    });
  }

  // By the word for it, so that each has its colour. Who is never busy is filled by what comes, against its own most.
  filled({ utilisation, words, come }, foot) {
    const endless = utilisation.every((share) => share === null), most = Math.max(...come, 1), found = {};
    this.ends.forEach((end, i) => {
      const share = endless ? come[i] / most : (utilisation[i] ?? 0) / SHARES;
      if (!share) return;
      const from = this.line.x(i ? this.ends[i - 1] : 0).toFixed(1), to = this.line.x(end).toFixed(1);
      const word = endless ? "endless" : words[i];
      found[word] = `${found[word] ?? ""}M${from},${foot}V${(foot - Math.min(share, 1) * LANE_TALL).toFixed(1)}H${to}V${foot}Z`;
    });
    return found;
  }

  queue({ waiting }, foot) {
    const points = this.ends.map((end, i) => `${this.line.x(end).toFixed(1)},${(foot - ((waiting[i] ?? 0) / this.longest) * LANE_TALL).toFixed(1)}`);
    return `M${this.line.x(0).toFixed(1)},${foot}L${points.join("L")}`;
  }
}

// So many as can be looked at: those with the longest queues, then the busiest; in the order of the picture.
function busiest(stages) {
  const weight = ([, stage]) => [Math.max(...stage.waiting), Math.max(...stage.utilisation)];
  const chosen = [...stages].sort((a, b) => weight(b)[0] - weight(a)[0] || weight(b)[1] - weight(a)[1]).slice(0, MOST_LANES);
  return stages.filter((stage) => chosen.includes(stage));
}
