// A button with data-theme-switch goes from light to dark and back; the choice stays in this browser.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-switch]")) switchTheme();
});

export function switchTheme() {
  const word = document.documentElement.classList.contains("dark") ? "light" : "dark";
  document.documentElement.classList.toggle("dark", word === "dark");
  try {
    localStorage.setItem("pgcron-theme", word);
  } catch {
    // No storage: it holds for this page.
  }
}
