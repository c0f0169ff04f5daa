// A field for a case's text: its lines have numbers, those with a problem a mark. What is typed is sent a moment after
// the last key, and kept in the browser's tab, so that a reload of the page does not lose it.
const PAUSE = 700, KEPT = "stagecraft-own", MOST_NUMBERS = 30_000; // ms; lines

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

class Editor {
  constructor(root) {
    this.area = root.querySelector("textarea");
    this.gutter = root.querySelector(".gutter");
    this.go = root.querySelector(".go");
    this.area.addEventListener("input", () => this.typed());
    this.area.addEventListener("blur", () => this.send());
    this.area.addEventListener("scroll", () => (this.gutter.scrollTop = this.area.scrollTop));
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send();
    });
    this.go.addEventListener("click", () => this.goTo(Number(this.go.dataset.line)));
  }

  // `data.turn` is another one when the page sets the text; else what is typed here counts.
  take(data, set) {
    this.set = set;
    this.most = data.most;
    if (this.turn !== data.turn) {
      const before = this.turn === undefined ? kept() : null;
      const mine = before && (data.fresh || before.turn === data.turn) ? before.text : data.text;
      this.turn = data.turn;
      this.sent = data.text;
      this.area.value = mine;
      this.area.scrollTop = 0;
      this.keep();
      if (this.area.value !== data.text) setTimeout(() => this.send()); // what is set while it is put up would be lost
    }
    this.mark(this.area.value === data.text ? data.marks : []);
  }

  typed() {
    this.mark([]);
    this.keep();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), PAUSE);
  }

  send() {
    clearTimeout(this.timer);
    const text = this.area.value.slice(0, this.most);
    if (text === this.sent) return;
    this.sent = text;
    this.set("text", text);
  }

  keep() {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ turn: this.turn, text: this.area.value }));
    } catch {
      // No room, or not allowed: then a reload loses it.
    }
  }

  mark(lines) {
    const marked = new Set(lines), rows = [];
    const count = Math.min(this.area.value.split("\n").length, MOST_NUMBERS);
    const drawn = [count, ...marked].join();
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.gutter.textContent = "";
    // One piece of text between two marks, however long it is.
    const flush = () => rows.length && this.gutter.append(rows.splice(0).join("\n") + "\n");
    for (let i = 1; i <= count; i++) {
      if (!marked.has(i)) {
        rows.push(i);
        continue;
      }
      flush();
      const mark = document.createElement("b");
      mark.textContent = `▸ ${i}\n`;
      this.gutter.append(mark);
    }
    rows.push("");
    flush();
    this.gutter.scrollTop = this.area.scrollTop;
    this.area.setAttribute("aria-invalid", String(marked.size > 0));
    this.go.hidden = !marked.size;
    this.go.dataset.line = Math.min(...marked);
    this.go.textContent = `Go to line ${this.go.dataset.line}`;
  }

  goTo(line) {
    const lines = this.area.value.split("\n"), start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    this.area.focus();
    this.area.setSelectionRange(start, start + lines[line - 1].length);
    const height = parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (line - 1) * height - this.area.clientHeight / 3);
    this.area.scrollLeft = 0;
  }
}

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".editor");
  root.editor ??= new Editor(root);
  root.editor.take(data, setStateValue);
}
