// The list of runs: rows on the screen follow their runs in place; new runs are counted in a pill, never put under the pointer.
//
//   <div data-runs="/runs/rows" data-filter='{"status": …}'>    rows are #run-<id>; changed ones are asked for: /runs/rows?ids=a,b
//   <a data-new-runs hidden>                                     "12 new runs"; leads to the newest page
import htmx from "./htmx-global.js";

const APART_MS = 1000;
const fresh = new Set();
const changed = new Set();
let uncounted = 0;
let timer = null;
let isAsking = false;

const list = () => document.querySelector("[data-runs]");

function matches(run, wanted) {
  return (
    (!wanted.status || run.status === wanted.status) && (!wanted.job || run.jobId === wanted.job) && (!wanted.cause || run.cause === wanted.cause) &&
    (!wanted.reason || run.reason === wanted.reason) && (!wanted.worker || run.workerId === wanted.worker) &&
    (!wanted.search || (run.error ?? "").toLowerCase().includes(wanted.search.toLowerCase()))
  );
}

document.addEventListener("pgcron:runs", (event) => {
  const part = list();
  if (!part) return;
  if (event.detail.isSnapshot) return comeBack();
  const wanted = JSON.parse(part.dataset.filter);
  for (const run of event.detail.runs) {
    if (document.getElementById(`run-${run.id}`)) changed.add(run.id);
    // Ids are in the order of time: what is older than the newest here is no news, only further down.
    else if (!wanted.isOver && run.id > part.dataset.newest && matches(run, wanted)) fresh.add(run.id);
  }
  // Of more runs than it tells of, those that go on here may have ended.
  if (event.detail.more) for (const row of part.querySelectorAll("tr[data-goes-on]")) changed.add(row.id.slice(4));
  if (!wanted.isOver && fresh.size && !wanted.isNarrow) uncounted += event.detail.more;
  tell();
  ask();
});

// The first snapshot is what the page was made of; a later one follows an interruption, in which anything may have changed.
let isKnown = false;

function comeBack() {
  if (isKnown) for (const row of list().querySelectorAll("tr[id^=run-]")) changed.add(row.id.slice(4));
  isKnown = true;
  ask();
}

function tell() {
  const pill = document.querySelector("[data-new-runs]");
  const count = fresh.size + uncounted;
  if (!pill || !count) return;
  pill.hidden = false;
  pill.querySelector("span").textContent = `${uncounted ? "at least " : ""}${count.toLocaleString("en")} new ${count === 1 ? "run" : "runs"}`;
}

// One request at a time, and a second between them, however much happens.
async function ask() {
  if (timer || isAsking || !changed.size || !list()) return;
  isAsking = true;
  const ids = [...changed];
  changed.clear();
  try {
    const url = list().dataset.runs;
    await htmx.ajax("GET", `${url}${url.includes("?") ? "&" : "?"}ids=${ids.join(",")}`, { source: list(), target: list(), swap: "none" });
  } finally {
    isAsking = false;
    timer = setTimeout(() => {
      timer = null;
      ask();
    }, APART_MS);
  }
}

// Where there is little room the filter is closed, unless it is in use.
const filters = document.getElementById("filters");
if (filters && innerWidth < 1024 && !filters.dataset.inUse) filters.open = false;

document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-all-of]");
  if (all) for (const box of document.querySelectorAll(`input[name="${all.dataset.allOf}"]`)) box.checked = all.checked;
  const bar = document.querySelector("[data-selected]");
  if (bar) bar.textContent = `${document.querySelectorAll('input[name="run"]:checked').length} selected`;
});
