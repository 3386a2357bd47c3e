// Before anything is painted: light or dark, as chosen here or as the system says.
const chosen = (() => {
  try {
    return localStorage.getItem("pgcron-theme");
  } catch {
    return null;
  }
})();
const system = matchMedia("(prefers-color-scheme: dark)");
const apply = (word) => document.documentElement.classList.toggle("dark", word === "dark" || (word !== "light" && system.matches));
apply(chosen);
system.addEventListener("change", () => apply(localStorage.getItem("pgcron-theme")));
document.documentElement.classList.add("js");
