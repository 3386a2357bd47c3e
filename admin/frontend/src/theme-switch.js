// A button with data-theme-switch goes from light to dark and back, one with data-theme-choice to what it names: at once, and kept with the user.
import { save } from "./preferences.js";

const root = document.documentElement;

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-switch]")) switchTheme();
  const chosen = event.target.closest("[data-theme-choice]");
  if (!chosen) return;
  event.preventDefault();
  choose(chosen.dataset.themeChoice);
});

export function switchTheme() {
  choose(root.classList.contains("dark") ? "light" : "dark");
}

function choose(word) {
  root.dataset.theme = word;
  root.classList.toggle("dark", word === "dark" || (word === "system" && matchMedia("(prefers-color-scheme: dark)").matches));
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    const isChosen = button.dataset.themeChoice === word;
    button.setAttribute("aria-pressed", String(isChosen));
    button.dataset.variant = isChosen ? "secondary" : "ghost";
  }
  for (const field of document.querySelectorAll("input[name=theme][type=radio]")) field.checked = field.value === word;
  try {
    localStorage.setItem("pgcron-theme", word);
  } catch {
    // No storage: the page that signs in follows the system.
  }
  save({ theme: word });
}
