// The command palette: Ctrl+K (or Cmd+K), type, arrows, Enter. What can be chosen comes from the server, with what one may do.
const dialog = () => document.getElementById("palette");
const field = () => document.getElementById("palette-field");
const options = () => [...document.querySelectorAll("#choices [data-choice]")];
const WAIT_MS = 120;
let asked = 0;
let timer = null;

async function ask() {
  const mine = ++asked;
  const answer = await fetch(`${dialog().dataset.from}?q=${encodeURIComponent(field().value)}`, { headers: { "HX-Request": "true" } });
  if (mine !== asked || !answer.ok) return;
  // From our own template, escaped there.
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("choices").replaceWith(parsed.getElementById("choices"));
  mark(0);
}

function mark(number) {
  const all = options();
  const chosen = all[Math.min(Math.max(number, 0), all.length - 1)];
  for (const option of all) option.setAttribute("aria-selected", String(option === chosen));
  if (chosen) field().setAttribute("aria-activedescendant", chosen.id);
  else field().removeAttribute("aria-activedescendant");
  chosen?.scrollIntoView({ block: "nearest" });
}

function take(option) {
  if (!option) return;
  if (option.dataset.go) return location.assign(option.dataset.go);
  const form = document.getElementById("palette-deed");
  form.action = option.dataset.post;
  form.requestSubmit();
}

export function openPalette() {
  if (!dialog() || dialog().open) return;
  field().value = "";
  dialog().showModal();
  ask();
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.target.id !== "palette-field") return;
  const at = options().findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown") mark(at + 1);
  else if (event.key === "ArrowUp") mark(at - 1);
  else if (event.key === "Home" && event.ctrlKey) mark(0);
  else if (event.key === "Enter") take(options()[at]);
  else return;
  event.preventDefault();
});
document.addEventListener("input", (event) => {
  if (event.target.id !== "palette-field") return;
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-palette]")) openPalette();
  else if (event.target === dialog()) dialog().close();
  else take(event.target.closest("#choices [data-choice]"));
});
