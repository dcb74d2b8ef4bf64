import { describe, expect, it } from "vitest";
import { type Line, lines, missingKinds, type Node, titleOfMap, visible } from "./forms";

const node = (id: string, parent: string | null, is_hall = false, name = id): Node => ({ node: id, parent, is_hall, name, level: null, complete_percent: null });
const TREE = [node("group", null), node("east", "group"), node("west", "group"), node("a1", "east", true, "中山路营业厅"), node("a2", "east", true), node("b1", "west", true, "Zhongshan"), node("free", null, true)];
const ids = (shown: readonly Line[]): string[] => shown.map((line) => line.node);

describe("the tree", () => {
  const all = lines(TREE);
  it("has units before halls and what hangs below them", () => {
    expect(ids(all)).toEqual(["group", "east", "a1", "a2", "west", "b1", "free"]);
  });
  it("shows what hangs below opened units", () => {
    expect(ids(visible(all, new Set(), "").lines)).toEqual(["group", "free"]);
    expect(ids(visible(all, new Set(["group"]), "").lines)).toEqual(["group", "east", "west", "free"]);
    expect(ids(visible(all, new Set(["group", "west"]), "").lines)).toEqual(["group", "east", "west", "b1", "free"]);
    expect(ids(visible(all, new Set(["west"]), "").lines)).toEqual(["group", "free"]);
  });
  it("opens the path to what is searched, by name and by number", () => {
    const search = (text: string) => visible(all, new Set(), text);
    expect(ids(search("中山").lines)).toEqual(["group", "east", "a1"]);
    expect(ids(search(" zhong ").lines)).toEqual(["group", "west", "b1"]);
    expect(ids(search("A2").lines)).toEqual(["group", "east", "a2"]);
    expect(ids(search("east").lines)).toEqual(["group", "east"]);
    expect([...search("中山").found]).toEqual(["a1"]);
    expect(ids(search("free").lines)).toEqual(["free"]);
    expect(search("nobody").lines).toEqual([]);
  });
  it("shows a path once when two below it fit, at different depths", () => {
    const deep = lines([...TREE, node("sub", "east"), node("x1", "sub", true), node("x2", "east", true)]);
    expect(ids(visible(deep, new Set(), "x").lines)).toEqual(["group", "east", "sub", "x1", "x2"]);
  });
});

describe("drawings and maps", () => {
  it("names the kinds that are missing", () => {
    const drawing = (kind: string) => ({ id: kind, kind, title: "", media: "image/png", bytes: 1, sha256: "" });
    expect(missingKinds([drawing("water"), drawing("other")])).toEqual(["floor-plan", "design-rendering", "circuit", "network"]);
  });
  it("reads what a map calls itself", () => {
    expect(titleOfMap('kind = "x"\ntitle = "ACME \'1\'"\n')).toBe("ACME '1'");
    expect(titleOfMap("x = 1")).toBe("");
  });
});
