// The SSE extension looks for a global; the ES module of htmx makes none.
import htmx from "htmx.org/dist/htmx.esm.js";

// Whether <details> and dialogs are open is the visitor's: a part that is asked for again must not close what they read.
htmx.config.morphIgnore.push("open");

globalThis.htmx = htmx;
export default htmx;
