// The SSE extension looks for a global; the ES module of htmx makes none.
import htmx from "htmx.org/dist/htmx.esm.js";

globalThis.htmx = htmx;
export default htmx;
