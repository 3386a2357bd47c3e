// The chart of durations: p50 to p95 as a band, runs as dots, failures on the axis, changes of the schedule as lines. A bundle of its own.
//
//   <section data-chart="/jobs/x/durations/json?range=7d"> … <div class="duration-chart"></div>; buttons data-chart-log, data-chart-reset
import uPlot from "uplot";

const HEIGHT = 288;
const AGAIN_MS = 15_000;

const place = document.querySelector("[data-chart]");
if (place) start();

// Canvas knows no oklch of ours in every browser: what an element computes is what it takes.
function colour(name) {
  const probe = document.createElement("span");
  probe.className = name;
  probe.hidden = false;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const faint = (found, share) => `color-mix(in srgb, ${found} ${share}%, transparent)`;
const seconds = (at) => Date.parse(at) / 1000;

function day(at, step) {
  const text = new Date(at * 1000).toISOString();
  const date = new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  if (step >= 86_400) return date;
  return text.slice(11, 16) === "00:00" ? date : text.slice(11, 16);
}

function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const total = Math.round(ms / 1000);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60 ? `${total % 60} s` : ""}`.trim();
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
}

async function start() {
  const box = place.querySelector(".duration-chart");
  const reset = place.querySelector("[data-chart-reset]");
  const log = place.querySelector("[data-chart-log]");
  let isLog = false;
  let data = null;
  let chart = null;
  let asked = 0;

  async function load() {
    asked = Date.now();
    const answer = await fetch(place.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) {
      box.textContent = "The chart could not be loaded; the table has the figures.";
      return;
    }
    data = await answer.json();
    draw();
  }

  function joined() {
    const of = (list, read) => [list.map((item) => seconds(item.at)), list.map(read)];
    const buckets = [data.buckets.map((b) => seconds(b.at)), data.buckets.map((b) => b.p50), data.buckets.map((b) => b.p95)];
    const dots = [...data.dots].reverse();
    return uPlot.join([buckets, of(dots, (dot) => Math.max(dot.duration, 1))]);
  }

  const marks = (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const scale = devicePixelRatio || 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height + 8 * scale);
    ctx.clip();
    ctx.fillStyle = colour("tone-failed");
    for (const failure of data.failures) {
      const x = u.valToPos(seconds(failure.at), "x", true);
      ctx.beginPath();
      ctx.moveTo(x, top + height - 9 * scale);
      ctx.lineTo(x - 4 * scale, top + height);
      ctx.lineTo(x + 4 * scale, top + height);
      ctx.fill();
    }
    ctx.strokeStyle = colour("tone-waiting");
    ctx.fillStyle = colour("tone-waiting");
    ctx.setLineDash([4 * scale, 3 * scale]);
    ctx.font = `${11 * scale}px sans-serif`;
    let before = -Infinity;
    for (const marker of [...data.markers].reverse()) {
      const x = u.valToPos(seconds(marker.at), "x", true);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      if (marker.word && x - before > 90 * scale) {
        const isLate = x > left + width - 110 * scale;
        ctx.textAlign = isLate ? "right" : "left";
        ctx.fillText(marker.word.slice(0, 24), x + (isLate ? -4 : 4) * scale, top + 12 * scale);
        before = x;
      }
    }
    ctx.restore();
  };

  function draw() {
    const running = colour("tone-running");
    const muted = colour("text-muted-foreground");
    const grid = { stroke: faint(muted, 20), width: 1 };
    const axis = { stroke: muted, grid, ticks: grid, font: "11px sans-serif" };
    const [from, to] = [seconds(data.from), seconds(data.to)];
    chart?.destroy();
    box.replaceChildren();
    chart = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        scales: { x: { range: (u, min, max) => (u.isZoomed ? [min, max] : [from, to]) }, y: { distr: isLog ? 3 : 1, range: isLog ? undefined : (u, min, max) => [0, (max || 1000) * 1.08] } },
        axes: [{ ...axis, values: (u, splits, index, space, step) => splits.map((at) => day(at, step)) }, { ...axis, size: 78, values: (u, splits) => splits.map((ms) => (ms === null ? "" : span(ms))) }],
        series: [
          { label: "When", value: (u, at) => (at ? new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC" : "–") },
          { label: "p50", stroke: running, width: 2, spanGaps: true, points: { show: false }, value: (u, ms) => span(ms) },
          { label: "p95", stroke: faint(running, 60), width: 1, spanGaps: true, points: { show: false }, value: (u, ms) => span(ms) },
          { label: "Run", paths: () => null, points: { show: true, size: 4, fill: faint(colour("tone-success"), 70), width: 0 }, value: (u, ms) => span(ms) },
        ],
        bands: [{ series: [2, 1], fill: faint(running, 16) }],
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
        cursor: { drag: { x: true, y: false, dist: 8 }, dataIdx: (u, series, index) => nearest(u, series, index) },
        hooks: {
          draw: [marks],
          setSelect: [(u) => { if (u.select.width > 0) { u.isZoomed = true; reset.hidden = false; } }],
        },
      },
      joined(),
      box,
    );
  }

  // Buckets and runs have instants of their own: the figure under the pointer is the next one of its kind.
  function nearest(u, series, index) {
    const values = u.data[series];
    if (series === 0 || values[index] !== null && values[index] !== undefined) return index;
    for (let step = 1; step < 400; step++) {
      for (const at of [index - step, index + step]) if (values[at] !== null && values[at] !== undefined) return at;
    }
    return index;
  }

  reset.addEventListener("click", () => {
    reset.hidden = true;
    draw();
    log.focus();
  });
  log.addEventListener("click", () => {
    isLog = !isLog;
    log.setAttribute("aria-pressed", String(isLog));
    reset.hidden = true;
    if (data) draw();
  });
  box.addEventListener("dblclick", () => reset.click());
  new ResizeObserver(() => chart && Math.abs(chart.width - box.clientWidth) > 1 && chart.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  new MutationObserver(() => data && draw()).observe(document.documentElement, { attributeFilter: ["class"] });
  // It follows the job, but not each of its runs.
  document.addEventListener("htmx:after:swap", () => {
    if (Date.now() - asked > AGAIN_MS && !chart?.isZoomed) load();
  });
  await load();
  place.dataset.isDrawn = "1";
}
