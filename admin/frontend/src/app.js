import "./htmx-global.js";
import "htmx.org/dist/ext/hx-sse.js";
import "basecoat-css/basecoat";
import "basecoat-css/toast";
import "./theme-switch.js";
