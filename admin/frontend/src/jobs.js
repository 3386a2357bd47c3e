// The list of jobs: choosing rows, and a job beside the list.
import htmx from "./htmx-global.js";

const boxes = () => [...document.querySelectorAll("#job-rows input[name=job]")];
let last = null; // the row that was chosen last: where a range begins

function count() {
  const bar = document.getElementById("choice");
  if (!bar) return;
  const chosen = boxes().filter((box) => box.checked).length;
  const all = bar.querySelector("input[name=all]");
  if (chosen === 0 && all) all.checked = false;
  if (chosen) bar.dataset.count = chosen;
  else delete bar.dataset.count;
  bar.querySelector("[data-chosen]").textContent = all?.checked ? "All that match" : `${chosen} chosen`;
  const head = document.querySelector("[data-choose-all]");
  if (head) {
    head.checked = chosen > 0 && chosen === boxes().length;
    head.indeterminate = chosen > 0 && !head.checked;
  }
}

function choose(box, isRange) {
  const all = boxes();
  if (isRange && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
    for (const each of all.slice(from, to + 1)) each.checked = true;
  }
  last = box;
  count();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("#job-rows input[name=job]");
  if (box) return choose(box, event.shiftKey);
  if (event.target.matches("[data-choose-all]")) {
    for (const each of boxes()) each.checked = event.target.checked;
    return count();
  }
  if (event.target.matches("#choice input[name=all]")) return count();
  const beside = event.target.closest("[data-beside]");
  if (beside && !event.ctrlKey && !event.metaKey && !event.shiftKey && innerWidth >= 1024) {
    event.preventDefault();
    show(beside.href, beside.id);
  }
  const close = event.target.closest("[data-close-panel]");
  if (close) {
    event.preventDefault();
    closePanel();
  }
});

// From the keyboard: x chooses the row that has the focus, X all from the last one to it.
export function chooseRow(isRange) {
  const box = document.activeElement?.closest("tr")?.querySelector("input[name=job]");
  if (!box) return;
  box.checked = isRange || !box.checked;
  choose(box, isRange);
}

let opener = null;

async function show(url, from) {
  opener = from;
  await htmx.ajax("GET", url, { target: "#panel", swap: "outerHTML", select: "#panel" });
  history.replaceState(null, "", url);
  document.getElementById("panel-title")?.focus({ preventScroll: true });
}

export function closePanel() {
  const panel = document.getElementById("panel");
  const close = document.getElementById("panel-close");
  if (!close) return false;
  history.replaceState(null, "", close.href);
  panel.outerHTML = '<aside id="panel" hidden></aside>';
  document.getElementById(opener)?.focus();
  return true;
}

addEventListener("DOMContentLoaded", count);
addEventListener("pageshow", count); // a browser that goes back keeps what was chosen
