import { describe, expect, it } from "vitest";
import { isKind, lines, question } from "./rows";

describe("questions", () => {
  it("name only what belongs to their rows and is not empty", () => {
    const asked = { day: "2020-01-02", queue: "A", counter: "", device: "tm-1", from: "2020-01-02T01:00:00Z" };
    expect(question({ rows: "tickets", ...asked })).toEqual({ rows: "tickets", day: "2020-01-02", queue: "A", from: "2020-01-02T01:00:00Z" });
    expect(question({ rows: "reports", ...asked })).toEqual({ rows: "reports", day: "2020-01-02", device: "tm-1" });
    expect(question({ rows: "alarms", ...asked })).toEqual({ rows: "alarms" });
  });
  it("know their kinds", () => expect([isKind("tickets"), isKind("people")]).toEqual([true, false]));
});

describe("files", () => {
  it("have a cell for every column, also of rows that lack fields", () => {
    const row = { number: "A001", waiting_s: 0, flags: ["issued-twice", "late"], staff: null };
    expect(lines("tickets", [row])).toEqual([["A001", null, null, null, null, null, null, null, 0, null, null, null, null, null, "issued-twice late"]]);
    expect(lines("reports", [{ id: 7, payload: { ticket: "A001" } }])).toEqual([[7, null, null, null, null, '{"ticket":"A001"}']]);
  });
});
