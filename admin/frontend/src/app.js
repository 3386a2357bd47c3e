import "./htmx-global.js";
import "basecoat-css/basecoat";
import "basecoat-css/toast";
import "./editor.js";
import "./jobs.js";
import "./keys.js";
import "./live.js";
import "./theme-switch.js";
