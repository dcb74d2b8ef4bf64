// Moves Vite's manifest out of `dist/`: the budget reads it, the programs must not embed it.
import { mkdirSync, renameSync, rmSync } from "node:fs";

const root = new URL("../", import.meta.url);
mkdirSync(new URL("node_modules/.cache/", root), { recursive: true });
renameSync(new URL("dist/.vite/manifest.json", root), new URL("node_modules/.cache/panel-manifest.json", root));
rmSync(new URL("dist/.vite/", root), { recursive: true });
