// <… data-grid> with cells data-row and data-column: one stop for Tab, arrows inside. Without scripts each cell is a stop of its own.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const cellsOf = (grid) => [...grid.querySelectorAll("[data-column]")];

function prepare() {
  for (const grid of document.querySelectorAll("[data-grid]")) {
    const cells = cellsOf(grid);
    const stop = cells.find((cell) => cell === document.activeElement) ?? cells.find((cell) => cell.hasAttribute("aria-current")) ?? cells[0];
    for (const cell of cells) cell.setAttribute("tabindex", cell === stop ? "0" : "-1");
  }
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("[data-column]");
  const grid = cell?.closest("[data-grid]");
  if (!grid || event.ctrlKey || event.metaKey || event.altKey) return;
  const cells = cellsOf(grid);
  const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
  let next = null;
  if (STEPS[event.key]) {
    const [down, right] = STEPS[event.key];
    const inLine = cells.filter((other) => (down ? Number(other.dataset.column) === column : Number(other.dataset.row) === row));
    const along = (other) => (down ? (Number(other.dataset.row) - row) * down : (Number(other.dataset.column) - column) * right);
    next = inLine.filter((other) => along(other) > 0).sort((a, b) => along(a) - along(b))[0];
  } else if (event.key === "Home" || event.key === "End") {
    next = cells.filter((other) => Number(other.dataset.row) === row).at(event.key === "Home" ? 0 : -1);
  } else return;
  event.preventDefault();
  event.stopPropagation();
  if (!next) return;
  cell.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}, true);

prepare();
document.addEventListener("htmx:after:swap", prepare);
