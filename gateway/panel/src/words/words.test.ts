import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { en } from "./en";
import { wallEn } from "./wall.en";
import { wallZhCN } from "./wall.zh-CN";
import { zhCN } from "./zh-CN";

function flatten(words: object, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(words)) {
    if (typeof value === "string") found.set(prefix + key, value);
    else for (const [inner, text] of flatten(value, `${prefix}${key}.`)) found.set(inner, text);
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
  ["panels", zhCN, en],
  ["wall", wallZhCN, wallEn],
])("words of the %s", (_name, chinese, english) => {
  const zh = flatten(chinese);
  const other = flatten(english);

  it("have the same keys in both languages", () => {
    expect([...other.keys()].sort()).toEqual([...zh.keys()].sort());
  });
  it("have the same placeholders in both languages", () => {
    for (const [key, text] of zh) expect([key, placeholders(other.get(key) ?? "")]).toEqual([key, placeholders(text)]);
  });
  it("are never empty and never mean something to the message compiler", () => {
    for (const [key, text] of [...zh, ...other]) {
      expect(text.trim(), key).not.toBe("");
      expect(text.replace(/\{\w+\}/g, ""), key).not.toMatch(/[{}@|]/);
    }
  });
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
    const known = flatten(zhCN);
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
