// The output of a run, as it comes: events `output` and `output_totals` of the page's stream, which resumes behind the last line it has.
//
// Lines are kept as data; rows exist for what is near the window only, in chunks, so that 50,000 lines are as quick as 50.
import { pieces, plain } from "./ansi.js";

const CHUNK = 200;
const ROW_PX = 24;
const ORDER = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const PAGE = 1000;

const log = document.getElementById("log");
if (log) start();

function start() {
  const at = (id) => document.getElementById(id);
  const box = at("log-lines");
  const state = { lines: [], shown: [], chunks: [], level: "", search: "", isFollowing: log.dataset.isRunning === "yes", isMine: false, target: null, kept: null };
  let total = 0;
  let dropped = 0;
  let isTaken = false; // the server's rows stand until ours are there
  let waiting = [];

  const observer = new IntersectionObserver(
    (entries) => entries.forEach((entry) => (entry.isIntersecting ? fill(entry.target) : empty(entry.target))),
    { root: box, rootMargin: "800px 0px" },
  );

  function matches(line) {
    if (state.level === "stderr") return line.stream === "stderr";
    if (!state.level) return true;
    const own = line.level ?? (line.stream === "stderr" ? "ERROR" : "INFO");
    return ORDER.indexOf(own) >= ORDER.indexOf(state.level);
  }

  function rowOf(line, before) {
    const row = document.createElement("div");
    row.id = `L${line.no}`;
    row.className = line.no === state.target ? "log-line is-target" : "log-line";
    const number = document.createElement("a");
    number.href = `#L${line.no}`;
    number.textContent = line.no;
    number.setAttribute("aria-label", `Line ${line.no}`);
    const text = document.createElement("span");
    text.className = toneOf(line);
    text.append(...(state.search ? marked(line) : pieces(line.text).map(([part, classes]) => spanOf(part, classes))));
    row.append(number, text);
    if (!state.level && before && line.no > before.no + 1) {
      const gap = document.createElement("div");
      gap.className = "log-gap";
      gap.textContent = line.no - before.no === 2 ? "1 line not kept" : `${line.no - before.no - 1} lines not kept`;
      return [gap, row];
    }
    return [row];
  }

  function spanOf(text, classes) {
    if (!classes) return text;
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    return span;
  }

  function marked(line) {
    const text = plain(line.text);
    const low = text.toLowerCase();
    const found = [];
    let from = 0;
    for (let hit = low.indexOf(state.search); hit >= 0 && found.length < 200; hit = low.indexOf(state.search, from)) {
      const mark = document.createElement("mark");
      mark.textContent = text.slice(hit, hit + state.search.length);
      found.push(text.slice(from, hit), mark);
      from = hit + state.search.length;
    }
    return [...found, text.slice(from)];
  }

  function toneOf(line) {
    if (line.level === "ERROR" || line.level === "CRITICAL" || (!line.level && line.stream === "stderr")) return "tone-failed";
    return line.level === "WARNING" ? "tone-waiting" : line.level === "DEBUG" ? "tone-idle" : "";
  }

  function fill(chunk) {
    if (chunk.dataset.isFilled) return;
    chunk.dataset.isFilled = "1";
    const first = state.chunks.indexOf(chunk) * CHUNK;
    chunk.style.height = "";
    chunk.append(...state.shown.slice(first, first + CHUNK).flatMap((line, n) => rowOf(line, state.shown[first + n - 1])));
  }

  function empty(chunk) {
    if (!chunk.dataset.isFilled || chunk === state.kept || chunk.contains(document.activeElement)) return;
    chunk.style.height = `${chunk.offsetHeight}px`;
    chunk.replaceChildren();
    delete chunk.dataset.isFilled;
  }

  function chunkAt(index) {
    while (state.chunks.length <= index) {
      const chunk = document.createElement("div");
      state.chunks.push(chunk);
      box.append(chunk);
      observer.observe(chunk);
    }
    return state.chunks[index];
  }

  function append(lines) {
    const from = state.shown.length;
    state.shown.push(...lines.filter(matches));
    for (let index = Math.floor(from / CHUNK); index * CHUNK < state.shown.length; index++) {
      const chunk = chunkAt(index);
      const first = index * CHUNK;
      const own = state.shown.slice(Math.max(first, from), first + CHUNK);
      if (chunk.dataset.isFilled) own.forEach((line, n) => chunk.append(...rowOf(line, state.shown[Math.max(first, from) + n - 1])));
      else chunk.style.height = `${Math.min(CHUNK, state.shown.length - first) * ROW_PX}px`;
    }
  }

  function rebuild() {
    observer.disconnect();
    state.chunks = [];
    state.shown = [];
    box.replaceChildren();
    append(state.lines);
    at("log-empty").hidden = state.lines.length > 0;
    if (state.isFollowing) toEnd();
  }

  function toEnd() {
    state.isMine = true;
    box.scrollTop = box.scrollHeight;
    requestAnimationFrame(() => {
      box.scrollTop = box.scrollHeight;
      requestAnimationFrame(() => (state.isMine = false));
    });
  }

  function follow(isOn) {
    state.isFollowing = isOn;
    at("log-follow").checked = isOn;
    at("log-end").hidden = isOn || box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    if (isOn) toEnd();
  }

  // All lines that came within a frame are drawn in one.
  function take(lines) {
    const last = waiting.at(-1)?.no ?? state.lines.at(-1)?.no ?? 0;
    const fresh = lines.filter((line) => line.no > last);
    if (!fresh.length) return;
    if (!waiting.length) requestAnimationFrame(draw);
    waiting.push(...fresh);
  }

  function draw() {
    const lines = waiting;
    waiting = [];
    state.lines.push(...lines);
    if (isTaken) append(lines);
    else rebuild();
    if (!isTaken) {
      isTaken = true;
      box.dataset.isTaken = "1";
      if (/^#L\d+$/.test(location.hash)) goTo(Number(location.hash.slice(2)));
    }
    at("log-empty").hidden = true;
    if (state.search) count();
    if (state.isFollowing) toEnd();
    else at("log-end").hidden = false;
    tellEarlier();
  }

  function tellEarlier() {
    const first = state.lines[0]?.no ?? 1;
    at("log-earlier").hidden = first <= 1 || log.dataset.hasAll === "1";
    at("log-earlier").querySelector("span").textContent = `All lines before ${first}`;
  }

  async function loadEarlier() {
    const end = state.lines[0]?.no ?? 0;
    if (end <= 1 || log.dataset.hasAll) return;
    log.dataset.hasAll = "1";
    at("log-earlier").setAttribute("aria-busy", "true");
    // Numbers are dense but for what was not kept: each page asks for its own thousand.
    const firsts = Array.from({ length: Math.ceil((end - 1) / PAGE) }, (_, n) => n * PAGE);
    const parts = new Map();
    const one = async () => {
      while (firsts.length) {
        const after = firsts.shift();
        const answer = await fetch(`${log.dataset.api}?after=${after}&limit=${PAGE}`);
        const lines = answer.ok ? await answer.json() : [];
        parts.set(after, lines.filter((line) => line.lineNo < end && line.lineNo <= after + PAGE).map(({ lineNo, ...line }) => ({ no: lineNo, ...line })));
      }
    };
    await Promise.all([one(), one(), one(), one()]);
    const found = [...parts.keys()].sort((a, b) => a - b).flatMap((after) => parts.get(after));
    const bottom = box.scrollHeight - box.scrollTop;
    state.lines.unshift(...found);
    rebuild();
    if (!state.isFollowing) box.scrollTop = box.scrollHeight - bottom;
    at("log-earlier").removeAttribute("aria-busy");
    tellEarlier();
  }

  async function goTo(no) {
    if (!state.lines.length || no < state.lines[0].no) await loadEarlier();
    const index = state.shown.findIndex((line) => line.no >= no);
    if (index < 0) return;
    follow(false);
    for (const other of box.querySelectorAll(".is-target")) other.classList.remove("is-target");
    state.target = state.shown[index].no;
    state.kept = chunkAt(Math.floor(index / CHUNK));
    fill(state.kept);
    const row = document.getElementById(`L${state.target}`);
    row.classList.add("is-target");
    state.isMine = true;
    // Chunks above it get their true height as they come near: until it stands still it is looked for again.
    let left = 6;
    const settle = () => {
      row.scrollIntoView({ block: "center" });
      if (left--) requestAnimationFrame(settle);
      else state.isMine = false;
    };
    settle();
  }

  let hits = [];
  let hit = -1;
  function count() {
    hits = state.search ? state.shown.filter((line) => plain(line.text).toLowerCase().includes(state.search)) : [];
    at("log-found").textContent = state.search ? (hits.length ? `${hit >= 0 ? `${hit + 1} of ` : ""}${hits.length} lines` : "not found") : "";
  }

  at("log-search").addEventListener("input", async (event) => {
    state.search = event.target.value.toLowerCase();
    if (state.search) await loadEarlier();
    hit = -1;
    rebuild();
    count();
  });
  at("log-search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !hits.length) return;
    event.preventDefault();
    hit = (hit + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    count();
    goTo(hits[hit].no);
  });
  at("log-level").addEventListener("change", (event) => {
    state.level = event.target.value;
    rebuild();
    count();
  });
  at("log-wrap").addEventListener("change", (event) => {
    box.classList.toggle("is-wrapped", event.target.checked);
    rebuild();
  });
  at("log-follow").addEventListener("change", (event) => follow(event.target.checked));
  at("log-announce").addEventListener("change", (event) => box.setAttribute("aria-live", event.target.checked ? "polite" : "off"));
  at("log-end").addEventListener("click", () => follow(true));
  at("log-earlier").addEventListener("click", loadEarlier);
  addEventListener("hashchange", () => /^#L\d+$/.test(location.hash) && goTo(Number(location.hash.slice(2))));
  box.addEventListener("scroll", () => {
    if (state.isMine) return;
    state.kept = null;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    if (isAtEnd !== state.isFollowing) follow(isAtEnd);
  }, { passive: true });

  document.addEventListener("pgcron:output", (event) => take(event.detail.lines));
  document.addEventListener("pgcron:output_totals", (event) => {
    ({ total, dropped } = event.detail);
    const notKept = dropped ? `; ${dropped.toLocaleString("en")} not kept, to bound it` : "";
    if (total) at("log-notice").textContent = `${total.toLocaleString("en")} ${total === 1 ? "line" : "lines"}${notKept}`;
  });
  // One message when it ends, whatever is read aloud.
  document.addEventListener("pgcron:run", (event) => {
    const { run } = event.detail;
    if (run && log.dataset.isRunning === "yes" && run.status !== "RUNNING") {
      log.dataset.isRunning = "no";
      at("log-status").textContent = run.status === "SUCCESS" ? "The run finished: success." : "The run finished: it failed.";
    }
  });
  at("log-follow").checked = state.isFollowing;
  if (state.isFollowing) toEnd();
}
