import { describe, expect, it } from "vitest";
import { EventParser, initialState, retryDelay, step } from "./stream";

const TEXT = ': keep-alive\n\nevent: floor\ndata: {"a":1}\n\nevent: other\r\ndata: x\r\ndata: y\r\n\r\n';

describe("event parser", () => {
  const wanted = [
    { event: "floor", data: '{"a":1}' },
    { event: "other", data: "x\ny" },
  ];
  it("reads a whole text", () => {
    expect(new EventParser().push(TEXT)).toEqual(wanted);
  });
  it.each([1, 2, 3, 7])("reads it in chunks of %s", (size) => {
    const parser = new EventParser();
    const found = [];
    for (let start = 0; start < TEXT.length; start += size) found.push(...parser.push(TEXT.slice(start, start + size)));
    expect(found).toEqual(wanted);
  });
  it("keeps an unfinished event for the next chunk", () => {
    const parser = new EventParser();
    expect(parser.push("data: 1\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ event: "message", data: "1" }]);
  });
});

describe("stream state", () => {
  it("is live with the first whole state", () => {
    const state = step(initialState<number>(), { type: "message", data: 7 });
    expect(state).toEqual({ phase: "live", data: 7, lostAt: null, attempt: 0 });
  });
  it("keeps the old data and the first moment of loss", () => {
    let state = step(initialState<number>(), { type: "message", data: 7 });
    state = step(state, { type: "lost", at: 100 });
    state = step(state, { type: "lost", at: 200 });
    expect(state).toEqual({ phase: "lost", data: 7, lostAt: 100, attempt: 2 });
  });
  it("is not live merely because the connection is back", () => {
    let state = step(initialState<number>(), { type: "lost", at: 100 });
    state = step(state, { type: "connected" });
    expect(state.phase).toBe("lost");
    expect(step(state, { type: "message", data: 8 })).toEqual({ phase: "live", data: 8, lostAt: null, attempt: 0 });
  });
  it("waits longer each time, up to a limit, with jitter", () => {
    expect(retryDelay(1, 0.5)).toBe(1000);
    expect(retryDelay(3, 0.5)).toBe(4000);
    expect(retryDelay(30, 0.5)).toBe(15000);
    expect(retryDelay(1, 0)).toBeLessThan(retryDelay(1, 1));
  });
});
