// Fails when the first load of a page outgrows its budget: what the HTML names, everything those scripts import
// statically, and for the sign-in and default page also the lazy page chunks named in ROUTES.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const KIB = 1024;
const PAGES = [
  { page: "hall.html", limit: 350 * KIB, routes: [/\/FloorPage-/] },
  { page: "centre.html", limit: 350 * KIB, routes: [/\/ComparePage-/] },
  { page: "wall.html", limit: 60 * KIB, routes: [] },
];

const sizes = new Map();
function gzipSize(path) {
  if (!sizes.has(path)) sizes.set(path, gzipSync(readFileSync(join(DIST, path)), { level: 9 }).length);
  return sizes.get(path);
}

/** Paths below `dist/` that a built script needs before it can run. */
function staticImports(path) {
  const source = readFileSync(join(DIST, path), "utf8");
  const found = [];
  for (const match of source.matchAll(/(?:\bfrom|\bimport)\s*["'](\.{1,2}\/[^"']+)["']/g)) {
    found.push(normalize(join(dirname(path), match[1])));
  }
  return found;
}

function closure(roots) {
  const seen = new Set();
  const queue = [...roots];
  while (queue.length > 0) {
    const path = queue.pop();
    if (seen.has(path)) continue;
    seen.add(path);
    if (path.endsWith(".js")) queue.push(...staticImports(path));
  }
  return seen;
}

const assets = readdirSync(join(DIST, "assets")).map((name) => `assets/${name}`);
let failed = 0;
for (const { page, limit, routes } of PAGES) {
  if (!existsSync(join(DIST, page))) throw new Error(`dist/${page} is missing, run npm run build`);
  const html = readFileSync(join(DIST, page), "utf8");
  const roots = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1]);
  for (const route of routes) {
    const chunks = assets.filter((path) => route.test(`/${path}`) && /\.(js|css)$/.test(path));
    if (chunks.length === 0) throw new Error(`no chunk matches ${route}: the budget would measure too little`);
    roots.push(...chunks);
  }
  const files = [page, ...closure(roots)];
  const total = files.reduce((sum, path) => sum + gzipSize(path), 0);
  const charts = files.filter((path) => path.includes("echarts"));
  const bad = total > limit || charts.length > 0;
  if (bad) failed += 1;
  console.log(`${bad ? "OVER" : "ok  "} ${page.padEnd(12)} ${(total / KIB).toFixed(1).padStart(6)} KiB gzip of ${limit / KIB} in ${files.length} files`);
  if (bad || process.argv.includes("--list")) {
    for (const path of files) console.log(`       ${(gzipSize(path) / KIB).toFixed(1).padStart(6)}  ${path}`);
  }
}
const charts = assets.filter((path) => path.includes("echarts") && path.endsWith(".js"));
console.log(`     charts (lazy) ${(charts.reduce((sum, path) => sum + gzipSize(path), 0) / KIB).toFixed(1)} KiB gzip`);
if (failed > 0) process.exit(1);
