import { describe, expect, it } from "vitest";
import { reactive } from "vue";
import type { Device, DeviceCommand, DevicePart, FormField, LinePiece } from "@/api/types";

import { ApiError } from "@/kit/api";
import { objectOf, quoteOf } from "./commands";
import { missing, problemOf, settingsOf, valuesOf, wordOf } from "./form";
import { conditionOf } from "./kinds";
import { asText, groupsOf, pulseOf, spansOf } from "./line";
import { shownParts } from "./parts";
import { formOf, prefixesOf } from "./topics";

const label = { zh: "-", en: "-" };
const FIELDS: FormField[] = [
  { key: "link", kind: "link", label, required: true },
  { key: "unit", kind: "number", label, default: "1", required: true },
  { key: "map", kind: "choice", label, choices: ["a", "b"], required: true },
  { key: "deep.flag", kind: "flag", label, default: "true" },
  { key: "windows", kind: "pairs", label },
  { key: "token", kind: "secret", label, required: true },
];

const refused = (key: string, expected: string, found: string) => new ApiError(422, "invalid", "-", "settings", null, null, "setting", { key, expected, found });

describe("a driver's form", () => {
  it("begins with the defaults and says what is missing", () => {
    const values = valuesOf(FIELDS, null, ["/dev/serial/by-path/x"]);
    expect(values.unit).toBe("1");
    expect(values["deep.flag"]).toBe(true);
    expect(values.link).toMatchObject({ way: "serial", serial: "/dev/serial/by-path/x", baud: "9600" });
    expect(missing(FIELDS, values, false)).toEqual(["map", "token"]);
    expect(missing(FIELDS, values, true)).toEqual(["map"]);
  });
  it("becomes settings of the right types, without what is empty", () => {
    const values = valuesOf(FIELDS, null);
    Object.assign(values, { map: "b", link: { ...(values.link as object), way: "tcp", tcp: " 10.0.0.2:502 " }, windows: [{ key: "VIP", value: "12" }, { key: "", value: "3" }] });
    expect(settingsOf(FIELDS, values, null)).toEqual({ link: { tcp: "10.0.0.2:502" }, unit: 1, map: "b", deep: { flag: true }, windows: { VIP: "12" } });
  });
  it("keeps what it cannot ask", () => {
    const before = { link: { serial: "/dev/a", baud: 4800 }, unit: 3, map: { temperature: { address: 3 } }, retries: 5 };
    const values = valuesOf(FIELDS, before);
    expect(values.link).toMatchObject({ way: "serial", baud: "4800", parity: "none" });
    expect(settingsOf(FIELDS, values, before)).toMatchObject({ map: { temperature: { address: 3 } }, retries: 5, unit: 3 });
  });
  it("takes over what a search found, which the page watches", () => {
    const found = reactive({ settings: { link: { tcp: "10.0.0.2:502" }, unit: 7 } });
    const values = valuesOf(FIELDS, found.settings);
    expect(settingsOf(FIELDS, values, found.settings)).toMatchObject({ link: { tcp: "10.0.0.2:502" }, unit: 7 });
  });
  it("finds the field a problem belongs to", () => {
    expect(problemOf(refused("link.tcp", "host:port", "a"), FIELDS)).toEqual({ field: "link", key: "link.tcp", expected: "host:port", found: "a" });
    expect(problemOf(refused("pol_s", "`unit`", "an unknown key"), FIELDS)?.field).toBeNull();
    expect(problemOf(new ApiError(409, "conflict", "device id x is taken"), FIELDS)).toBeNull();
  });
  it.each([
    ["1 to 247", "900", "expected-range"],
    ["u8", "integer `300`", "expected-integer"],
    ["host:port", "a", "expected-peer"],
    ["a value", "nothing", "must-fill"],
    ["an absolute path", "a", "expected-other"],
  ])("says %s in words it has", (expected, found, word) => {
    expect(wordOf({ field: null, key: "x", expected, found }).word).toBe(word);
  });
});

describe("the bus monitor", () => {
  const piece: LinePiece = { number: 7, at: "2020-01-02T02:00:00.045Z", direction: "in", hex: "ff110300", meanings: [{ from: 0, to: 1, text: "?", good: false }, { from: 1, to: 4, text: "unit 17", good: true }] };
  it("cuts bytes into what they mean", () => {
    expect(spansOf(piece)).toEqual([
      { bytes: ["ff"], from: 0, meaning: 0, good: false },
      { bytes: ["11", "03", "00"], from: 1, meaning: 1, good: true },
    ]);
    expect(spansOf({ ...piece, meanings: [] })).toHaveLength(1);
  });
  it("says whether anybody answers", () => {
    const out = { ...piece, direction: "out" as const };
    expect(pulseOf([out, piece]).state).toBe("answers");
    expect(pulseOf([piece, out, out]).state).toBe("answers");
    expect(pulseOf([piece, out, out, out])).toMatchObject({ state: "unanswered", waiting: 3 });
    expect(pulseOf([out, out, out, out]).state).toBe("only-out");
  });
  it("groups by eight from the start of the piece", () => {
    const bytes = Array.from({ length: 9 }, () => "00");
    expect(groupsOf({ bytes, from: 6, meaning: null, good: true }).map((group) => group.split(" ").length)).toEqual([2, 7]);
  });
  it("is copied as text", () => {
    expect(asText([piece], "Asia/Shanghai")).toBe("2020-01-02 10:00:00.045 ← ff 11 03 00\n    ! ?\n    unit 17\n");
  });
});

describe("parts of a device", () => {
  it("come worst first, unknown values as they came", () => {
    const parts = shownParts([
      { kind: "climate", time: "2020-01-02T02:00:00Z", state: { temperature: 22.5 } },
      { kind: "input.state", time: "2020-01-02T01:00:00Z", state: { input: "door", on: true } },
      { kind: "printer.health", time: "2020-01-01T00:00:00Z", state: { online: true, paper: "low", toner: "dried", faults: ["E12"], extra: { a: 1 } } },
    ]);
    expect(parts.map((part) => [part.kind, part.name, part.tone])).toEqual([["printer.health", null, "bad"], ["climate", null, "calm"], ["input.state", "door", "brand"]]);
    expect(parts[0].lines.map((line) => [line.text, line.tone])).toEqual([["true", "good"], ["low", "warn"], ["dried", undefined], ["E12", "bad"], ['{"a":1}', undefined]]);
    expect(parts[1].lines[0].text).toBe("22.5 °C");
  });
  it("of screens that cannot confirm are no fault", () => {
    const shown = (state: Record<string, unknown>) => shownParts([{ kind: "screen.shown", time: "2020-01-02T02:00:00Z", state: { text: "call A1", ...state } }])[0];
    expect(shown({}).tone).toBe("calm");
    expect(shown({ acknowledged: false }).tone).toBe("bad");
  });
});

describe("commands", () => {
  it("are said with what they are done with", () => {
    expect(objectOf({ ticket: "A012", text: null })).toBe("A012");
    expect(objectOf({ ticket: null, text: "hello" })).toBe("hello");
    expect(objectOf({})).toBe("");
  });
  it("quote the device, and no driver", () => {
    const failed = { failure: "refused", reason: "in use" } as DeviceCommand;
    expect(quoteOf(failed)).toBe("in use");
    expect(quoteOf({ ...failed, failure: "unanswered" })).toBeNull();
    expect(quoteOf({ ...failed, failure: null })).toBe("in use");
  });
});

describe("topics of other forms", () => {
  it.each([
    ["home-assistant", ["zigbee2mqtt/"], ["zigbee2mqtt"]],
    ["tasmota", ["tasmota_345678"], ["+/tasmota_345678"]],
    ["sparkplug", ["hall", "n1"], ["spBv1.0/hall/+/n1"]],
    ["other", ["a/b, c/+/d"], ["a/b", "c/+/d"]],
  ] as const)("%s there and back", (form, answers, prefixes) => {
    expect(prefixesOf(form, answers)).toEqual(prefixes);
    expect(formOf(prefixes).form).toBe(form);
    expect(prefixesOf(form, formOf(prefixes).answers)).toEqual(prefixes);
  });
  it("are none while something is missing", () => {
    expect(prefixesOf("sparkplug", ["hall"])).toEqual([]);
    expect(prefixesOf("own", ["x"])).toEqual([]);
    expect(formOf([]).form).toBe("own");
  });
});

describe("the condition of a device", () => {
  const part = (kind: string, state: object): DevicePart => ({ kind, time: "2020-01-02T02:00:00Z", state: state as DevicePart["state"] });
  const device = (status: string, ...parts: DevicePart[]) => ({ state: "active", connected: true, last_report: null, health: { status }, parts }) as unknown as Device;
  it.each([
    ["up", [], "up"],
    ["unknown", [], "connected"],
    ["up", [part("printer.health", { paper: "jammed" })], "faulty"],
    ["up", [part("printer.health", { paper: "low" })], "attention"],
    ["up", [part("printer.health", { paper: "ok" }), part("device.alarm", { alarm: "x", severity: "cleared" })], "up"],
    ["down", [part("printer.health", { paper: "jammed" })], "down"],
    ["degraded", [part("printer.health", { paper: "jammed" })], "degraded"],
  ])("%s with %j is %s", (status, parts, condition) => {
    expect(conditionOf(device(status, ...parts))).toBe(condition);
  });
});
