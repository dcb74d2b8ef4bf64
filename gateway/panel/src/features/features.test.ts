import { describe, expect, it } from "vitest";
import { period, presetOf } from "./compare/period";
import { hexRows } from "./devices/hex";
import { level, queueLevel } from "./floor/level";
import { extraOf, extraText, lines } from "./masters/forms";
import { toServer } from "./queue/query";

describe("periods", () => {
  it.each([
    ["today", "2020-03-01", "2020-03-01"],
    ["yesterday", "2020-02-29", "2020-02-29"],
    ["week", "2020-02-24", "2020-03-01"],
    ["month", "2020-03-01", "2020-03-01"],
  ] as const)("%s", (preset, from, to) => expect(period(preset, "2020-03-01")).toEqual({ from, to }));
  it("finds the preset of a range, the first that fits", () => {
    expect(presetOf({ from: "2020-01-09", to: "2020-01-15" }, "2020-01-15")).toBe("week");
    expect(presetOf({ from: "2020-01-08", to: "2020-01-15" }, "2020-01-15")).toBeNull();
  });
});

describe("levels", () => {
  it.each([
    [null, "calm"],
    [299, "calm"],
    [300, "rising"],
    [600, "long"],
  ])("%s s is %s", (seconds, wanted) => expect(level(seconds)).toBe(wanted));
  it("an empty queue is calm", () => expect(queueLevel(0, 4000)).toBe("calm"));
});

describe("organization", () => {
  const node = (id: string, parent: string | null, is_hall = false) => ({ node: id, parent, is_hall, name: id, level: null, complete_percent: null });
  it("shows units with what hangs below them, halls after units, and nodes of unknown units at the top", () => {
    const found = lines([node("wola", "city", true), node("city", "group"), node("lost", "gone", true), node("group", null), node("area", "city")]);
    expect(found.map((line) => `${line.depth} ${line.node}`)).toEqual(["0 group", "1 city", "2 area", "2 wola", "0 lost"]);
  });
  it("reads extra fields as it writes them", () => {
    expect(extraOf(extraText({ a: "1", b: "x: y" }))).toEqual({ a: "1", b: "x: y" });
    expect(extraOf("a\uff1a1\nno value:\n\n")).toEqual({ a: "1" });
    expect(extraText(undefined)).toBe("");
  });
});

describe("hex dump", () => {
  it("shows offset, bytes and text", () => {
    expect(hexRows("7b2261")).toEqual([`0000  7b 22 61${" ".repeat(39)}  {"a`]);
    expect(hexRows("ff".repeat(17))).toHaveLength(2);
    expect(hexRows("")).toEqual([]);
  });
});

describe("ticket filter", () => {
  const filter = { day: "", state: "open", queue: "", counter: "", staff: "", flagged: true, issued: false, rated: false, q: "", sort: "issued", dir: "desc", offset: 0 };
  it("asks only for what is set", () => {
    expect(toServer(filter)).toMatchObject({ state: "open", flagged: "true" });
    expect(toServer({ ...filter, state: "waiting", flagged: false })).toMatchObject({ state: "waiting", flagged: "" });
  });
});
