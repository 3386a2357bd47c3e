// Terminal colours as classes, as pgcron_admin/screens/ansi.py does: every other control sequence is dropped. Text stays text.
const ESCAPES =
  // eslint-disable-next-line no-control-regex
  /\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]/g;
const MARKS = { 1: "bold", 2: "dim", 3: "italic", 4: "under" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["under"] };

export const plain = (text) => (/[\x00-\x08\x0b-\x1f\x7f]/.test(text) ? text.replace(ESCAPES, "") : text);

// [text, classes] of each stretch.
export function pieces(text) {
  if (!/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) return [[text, ""]];
  const found = [];
  let style = { colour: null, ground: null, marks: new Set() };
  let at = 0;
  for (const match of text.matchAll(ESCAPES)) {
    if (match.index > at) found.push([text.slice(at, match.index), classes(style)]);
    if (match[1] !== undefined) style = styled(style, match[1].split(/[;:]/).slice(0, 20).map((code) => Number(code) || 0));
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push([text.slice(at), classes(style)]);
  return found;
}

function classes({ colour, ground, marks }) {
  const found = [...marks].sort().map((mark) => `ansi-${mark}`);
  if (colour !== null) found.push(`ansi-${colour}`);
  if (ground !== null) found.push(`ansi-on-${ground}`);
  return found.join(" ");
}

function styled(before, codes) {
  let style = { ...before, marks: new Set(before.marks) };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) style = { colour: null, ground: null, marks: new Set() };
    else if (MARKS[code]) style.marks.add(MARKS[code]);
    else if (ENDS[code]) for (const mark of ENDS[code]) style.marks.delete(mark);
    else if (code === 38 || code === 48) {
      const is256 = codes[at + 1] === 5;
      const number = is256 && codes[at + 2] < 16 ? codes[at + 2] : null;
      style[code === 38 ? "colour" : "ground"] = number;
      at += is256 ? 2 : codes[at + 1] === 2 ? 4 : 0;
    } else if (code === 39) style.colour = null;
    else if (code === 49) style.ground = null;
    else
      for (const [first, offset] of [[30, 0], [90, 8]]) {
        if (code >= first && code < first + 8) style.colour = code - first + offset;
        if (code >= first + 10 && code < first + 18) style.ground = code - first - 10 + offset;
      }
  }
  return style;
}
