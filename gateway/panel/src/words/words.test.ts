import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allWords, GROUPS } from "./all";
import { wallWords } from "./wall";
import type { Word, Words } from "./words";

function flatten(words: Words, prefix = ""): Map<string, Word> {
  const found = new Map<string, Word>();
  for (const [name, each] of Object.entries(words)) {
    if (Array.isArray(each)) found.set(prefix + name, each as unknown as Word);
    else for (const [inner, word] of flatten(each as Words, `${prefix}${name}.`)) found.set(inner, word);
  }
  return found;
}
function placeholders(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
}
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(vue|ts)$/.test(entry.name) && !/\.test\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe.each([
  ["panels", allWords],
  ["wall", wallWords],
])("words of the %s", (_name, words) => {
  const all = [...flatten(words)];

  it("have the same placeholders in both languages", () => {
    for (const [name, [zh, en]] of all) expect([name, placeholders(en)]).toEqual([name, placeholders(zh)]);
  });
  it("are never empty and never mean something to the message compiler", () => {
    for (const [name, text] of all.flatMap(([name, word]) => word.map((text) => [name, text]))) {
      expect(text.trim(), name).not.toBe("");
      expect(text.replace(/\{\w+\}/g, ""), name).not.toMatch(/[{}@|]/);
    }
  });
  it("are English where they must be", () => {
    const both = all.filter(([, [, en]]) => /[\u4e00-\u9fff]/.test(en));
    expect(both.map(([name]) => name)).toEqual(words === allWords ? ["app.name"] : []);
  });
});

it("no two pages have a group of the same name", () => {
  expect(GROUPS.filter((group, at) => GROUPS.indexOf(group) !== at)).toEqual([]);
});

describe("sources", () => {
  const root = join(import.meta.dirname, "..");

  it("hold no words of their own", () => {
    const allowed = /"(中文|English)"|中文|English/g;
    for (const path of sources(root).filter((each) => !each.includes("/words/"))) {
      const text = readFileSync(path, "utf8").replace(allowed, "");
      expect(text.match(/[\u4e00-\u9fff]+/g), path).toBeNull();
    }
  });
  it("name only words that exist", () => {
    const known = flatten(allWords);
    for (const path of sources(root).filter((each) => !each.includes("/app/wall/"))) {
      const text = readFileSync(path, "utf8");
      for (const match of text.matchAll(/\bt\(\s*["'`]([a-z][\w-]*\.[\w.-]+)["'`]/g)) {
        expect(known.has(match[1]), `${match[1]} in ${path}`).toBe(true);
      }
    }
  });
  it("import in one direction: kit, then features, then app; no feature from another", () => {
    for (const path of sources(root)) {
      const own = path.slice(root.length + 1);
      const text = readFileSync(path, "utf8");
      const targets = [...text.matchAll(/from "@\/([^"]+)"|import\("@\/([^"]+)"\)/g)].map((match) => match[1] ?? match[2]);
      for (const target of targets) {
        if (own.startsWith("kit/")) expect(target, own).not.toMatch(/^(features|app)\//);
        if (own.startsWith("features/")) {
          expect(target, own).not.toMatch(/^app\//);
          expect(target.startsWith("features/"), `${own} imports ${target}`).toBe(false);
        }
      }
      if (own.startsWith("features/")) expect(text, own).not.toMatch(/from "\.\.\//);
    }
  });
});
