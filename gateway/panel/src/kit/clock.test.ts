import { describe, expect, it } from "vitest";
import { RunningClock, runningSeconds, secondsSince } from "./clock";

function at(start: number) {
  let mono = 1000;
  return { clock: new RunningClock(() => mono, start), pass: (ms: number) => { mono += ms; } };
}

describe("hall time", () => {
  it("runs at the replay's speed", () => {
    const { clock, pass } = at(0);
    clock.follow(100_000, 60);
    pass(1000);
    expect(clock.now()).toBe(160_000);
    expect(clock.speed).toBe(60);
  });
  it("never runs backwards for jitter", () => {
    const { clock, pass } = at(0);
    clock.follow(100_000, 1);
    pass(1000);
    clock.follow(100_800);
    expect(clock.now()).toBe(101_000);
    pass(500);
    expect(clock.now()).toBe(101_500);
  });
  it("follows a real step back, such as a replay that starts again", () => {
    const { clock, pass } = at(0);
    clock.follow(9_000_000, 60);
    pass(1000);
    clock.follow(100_000, 60);
    expect(clock.now()).toBe(100_000);
  });
  it("follows a step forward at once", () => {
    const { clock } = at(0);
    clock.follow(500_000, 1);
    expect(clock.now()).toBe(500_000);
  });
});

describe("running seconds", () => {
  const noon = Date.parse("2020-01-02T12:00:00Z");
  it.each([
    ["2020-01-02T11:59:01.500Z", 58],
    ["2020-01-02T12:00:05Z", 0],
    [null, null],
    [undefined, null],
  ])("since %s are %s", (since, wanted) => {
    expect(secondsSince(since, noon)).toBe(wanted);
  });
  it("carry a measured wait on, and leave an unknown one unknown", () => {
    expect(runningSeconds(612, "2020-01-02T11:59:50Z", noon)).toBe(622);
    expect(runningSeconds(null, "2020-01-02T11:59:50Z", noon)).toBeNull();
  });
});
