// Words beside one another along a line: broken to the room that there is, and in rows, so that none runs into another.
const APART = 8; // pixels between two in a row
const ruler = document.createElement("canvas").getContext("2d");

function broken(text, room) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && ruler.measureText(longer).width <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// `labels`: { at, text }, each of which begins at a place, or further left where it would end beyond `right`. Given back
// from left to right: its lines, the x where they begin, and the row of the first of them; the rows are counted from 0.
// What would run into the same words is left out.
function inRows(labels, left, right, font) {
  ruler.font = font;
  const ends = [], said = {}; // pixels, of each row and of each text
  return labels.toSorted((a, b) => a.at - b.at).flatMap(({ at, text }) => {
    const lines = broken(text, right - left), width = Math.max(...lines.map((line) => ruler.measureText(line).width));
    const x = Math.max(Math.min(at, right - width), left);
    if (said[text] > x) return [];
    let row = 0;
    while (lines.some((_, i) => ends[row + i] > x)) row++;
    lines.forEach((_, i) => (ends[row + i] = x + width + APART));
    said[text] = x + width + APART;
    return [{ lines, x, row }];
  });
}
