import { describe, expect, it } from "vitest";
import { secondsTicks } from "./chart";
import { sparkline } from "./sparkline";
import { csv, nextSorting, sorted } from "./table";

describe("sorting", () => {
  const rows = [{ n: 2 }, { n: null }, { n: 10 }, { n: 0 }];
  it("puts unknown last in both directions and leaves the input alone", () => {
    expect(sorted(rows, (row) => row.n, "asc").map((row) => row.n)).toEqual([0, 2, 10, null]);
    expect(sorted(rows, (row) => row.n, "desc").map((row) => row.n)).toEqual([10, 2, 0, null]);
    expect(rows[0].n).toBe(2);
  });
  it("orders numbers inside names", () => {
    expect(sorted(["c10", "c9"], (text) => text, "asc")).toEqual(["c9", "c10"]);
  });
  it("turns round on the second click", () => {
    expect(nextSorting(null, "a")).toEqual({ key: "a", dir: "desc" });
    expect(nextSorting({ key: "a", dir: "desc" }, "a")).toEqual({ key: "a", dir: "asc" });
  });
});

describe("csv", () => {
  it("quotes, keeps unknown empty and defuses formulas", () => {
    expect(csv(["a", "b"], [['x,"y"', null], ["=1+1", 0], ["-", -5], ["\rx", "@y"]])).toBe('\uFEFFa,b\r\n"x,""y""",\r\n\'=1+1,0\r\n\'-,-5\r\n"\'\rx",\'@y\r\n');
  });
});

describe("sparkline", () => {
  it("draws gaps as gaps and lonely values as dots", () => {
    const drawn = sparkline([1, 2, null, 3, null, 4, 5], 120, 28);
    expect(drawn.lines).toHaveLength(2);
    expect(drawn.dots).toHaveLength(1);
    expect(drawn.gaps).toHaveLength(2);
  });
  it("draws what still grows apart and leaves the future blank", () => {
    const drawn = sparkline([null, 1, 2, 1, null], 120, 28, 3);
    expect(drawn.lines).toHaveLength(1);
    expect(drawn.running).not.toBeNull();
    expect(drawn.gaps).toHaveLength(1);
    expect(sparkline([1, 2, null, null], 120, 28, 3).gaps).toHaveLength(1);
  });
  it("does not fail on nothing", () => {
    expect(sparkline([], 120, 28)).toEqual({ lines: [], dots: [], gaps: [], running: null });
    expect(sparkline([null], 120, 28).lines).toEqual([]);
    expect(sparkline([0, 0], 120, 28).lines).toHaveLength(1);
  });
});

describe("seconds axis", () => {
  it.each([
    [[null], 10, 10],
    [[40, 59], 10, 60],
    [[250, null], 60, 300],
    [[880], 300, 900],
    [[100000], 14400, 100800],
  ])("%j has ticks each %s s up to %s", (values, interval, max) => expect(secondsTicks(values)).toEqual({ interval, max }));
});
