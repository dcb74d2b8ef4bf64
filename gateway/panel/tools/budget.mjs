// Fails when the first load of a page outgrows its budget. Counted are the HTML, the scripts and styles it needs by
// static import, and those of the default page of the panel, which the router loads at once. From Vite's manifest.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const KIB = 1024;
const PAGES = [
  { page: "hall.html", limit: 350 * KIB, first: ["src/app/hall/HomePage.vue"] },
  { page: "centre.html", limit: 350 * KIB, first: ["src/features/compare/ComparePage.vue"] },
  { page: "wall.html", limit: 60 * KIB, first: [] },
];

const manifest = JSON.parse(readFileSync(new URL("../node_modules/.cache/panel-manifest.json", import.meta.url), "utf8"));
const gzipSize = (file) => gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length;

function filesOf(keys) {
  const files = new Set();
  const seen = new Set();
  const queue = [...keys];
  while (queue.length > 0) {
    const key = queue.pop();
    if (seen.has(key)) continue;
    seen.add(key);
    const chunk = manifest[key];
    if (!chunk) throw new Error(`${key} is not in the manifest: the budget would measure too little`);
    files.add(chunk.file);
    for (const style of chunk.css ?? []) files.add(style);
    queue.push(...(chunk.imports ?? []));
  }
  return [...files];
}

let failed = 0;
for (const { page, limit, first } of PAGES) {
  const files = [page, ...filesOf([page, ...first])];
  const sizes = files.map((file) => ({ file, size: gzipSize(file) })).sort((a, b) => b.size - a.size);
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  // The chunk of charts must stay lazy; its wrapper of a few hundred bytes may not drag it in.
  const charts = sizes.some(({ file, size }) => file.includes("echarts") && size > 20 * KIB);
  const bad = total > limit || charts;
  if (bad) failed += 1;
  console.log(`${bad ? "OVER" : "ok  "} ${page.padEnd(12)} ${(total / KIB).toFixed(1).padStart(6)} KiB gzip of ${limit / KIB} in ${files.length} files`);
  if (bad || process.argv.includes("--list")) {
    for (const { file, size } of sizes) console.log(`       ${(size / KIB).toFixed(1).padStart(6)}  ${file}`);
  }
}
const charts = Object.values(manifest).filter((chunk) => chunk.file.includes("echarts"));
console.log(`     charts (lazy) ${(charts.reduce((sum, chunk) => sum + gzipSize(chunk.file), 0) / KIB).toFixed(1)} KiB gzip`);
if (failed > 0) process.exit(1);
