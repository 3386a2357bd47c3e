// Builds the admin's assets into a folder: node build.mjs OUT
//
// Files carry a hash of their content in their names; manifest.json says which name has which file. Nothing is fetched here.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../pgcron_admin/static/dist"));
const modules = join(here, "node_modules");
const manifest = {};
const shipped = new Set(["basecoat-css", "tailwindcss", "uplot", "lucide-static", "@fontsource-variable/inter"]); // the CSS, the icons and the font

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

function keep(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const extension = extname(name);
  const file = `${name.slice(0, -extension.length)}.${hash}${extension}`;
  writeFileSync(join(out, file), content);
  manifest[name] = file;
  return file;
}

const font = keep("inter.woff2", readFileSync(join(modules, "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2")));

for (const name of ["app.js", "chart.js", "theme.js"]) {
  const result = await build({
    entryPoints: [join(here, "src", name)],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    write: false,
    absWorkingDir: here,
    metafile: true,
  });
  keep(name, result.outputFiles[0].contents);
  for (const input of Object.keys(result.metafile.inputs)) {
    const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) shipped.add(found[1]);
  }
}

const css = execFileSync(
  process.execPath,
  [join(modules, "@tailwindcss/cli/dist/index.mjs"), "-i", join(here, "src/app.css"), "--minify"],
  { cwd: here, encoding: "utf-8", stdio: ["ignore", "pipe", "pipe"] },
);
keep("app.css", css.replace("inter.woff2", font));

// Only the icons that templates name: {{ icon("play") }}, and those that Python hands to them (src/icons.txt).
const named = new Set(readFileSync(join(here, "src/icons.txt"), "utf-8").split(/\s+/).filter(Boolean));
const templates = join(here, "../pgcron_admin/templates");
for (const entry of readdirSync(templates, { recursive: true })) {
  if (entry.endsWith(".html")) {
    for (const [, name] of readFileSync(join(templates, entry), "utf-8").matchAll(/icon\("([a-z0-9-]+)"/g)) named.add(name);
  }
}
const symbols = [...named].sort().map((name) => {
  const svg = readFileSync(join(modules, "lucide-static/icons", `${name}.svg`), "utf-8");
  const body = svg.replace(/<!--.*?-->/gs, "").match(/<svg[^>]*>(.*)<\/svg>/s)[1].replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`;
});
keep("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);

const licences = [...shipped].sort().map((name) => {
  const told = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf-8"));
  return { name, version: told.version, licence: told.license ?? "" };
});
writeFileSync(join(out, "licences.json"), JSON.stringify(licences, null, 1) + "\n");
writeFileSync(join(out, "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
