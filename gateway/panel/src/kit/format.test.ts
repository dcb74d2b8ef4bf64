import { describe, expect, it } from "vitest";
import * as format from "./format";

describe("numbers", () => {
  it.each([
    [0, "0:00"],
    [75, "1:15"],
    [3675, "1:01:15"],
    [-3, "0:00"],
    [null, null],
  ])("duration %s is %s", (value, wanted) => expect(format.duration(value)).toBe(wanted));
  it.each([
    [0, "0"],
    [999, "999"],
    [1234567, "1,234,567"],
    [null, null],
    [undefined, null],
  ])("count %s is %s", (value, wanted) => expect(format.count(value)).toBe(wanted));
  it.each([
    [0, "0.0%"],
    [123, "1.2%"],
    [9999, "99.9%"],
    [10000, "100.0%"],
    [null, null],
  ])("percent %s is %s", (value, wanted) => expect(format.percent(value)).toBe(wanted));
  it("bytes", () => {
    expect(format.bytes(512)).toBe("512 B");
    expect(format.bytes(1536)).toBe("1.5 KiB");
    expect(format.bytes(null)).toBeNull();
  });
  it("tenths and hundredths", () => {
    expect(format.tenths(224, "℃")).toBe("22.4℃");
    expect(format.hundredths(452)).toBe("4.52");
    expect(format.hundredths(null)).toBeNull();
  });
});

describe("times", () => {
  const moment = "2020-01-02T16:30:05Z";
  it("are typed in the program's zone, wherever the browser is", () => {
    expect(format.toInput(moment, "Asia/Shanghai")).toBe("2020-01-03T00:30");
    expect(format.fromInput("2020-01-03T00:30", "Asia/Shanghai")).toBe("2020-01-02T16:30:00.000Z");
    expect(format.fromInput("2020-07-01T12:00", "Europe/Warsaw")).toBe("2020-07-01T10:00:00.000Z");
    // Forward at 02:00 on 29 March 2020, back at 03:00 on 25 October.
    expect(format.fromInput("2020-03-29T01:59", "Europe/Warsaw")).toBe("2020-03-29T00:59:00.000Z");
    expect(format.fromInput("2020-03-29T03:00", "Europe/Warsaw")).toBe("2020-03-29T01:00:00.000Z");
    expect(format.fromInput("2020-10-25T02:30", "Europe/Warsaw")).toBe("2020-10-25T00:30:00.000Z");
    expect(format.fromInput("2020-10-25T03:00", "Europe/Warsaw")).toBe("2020-10-25T02:00:00.000Z");
  });
  it("are told in the hall's zone", () => {
    expect(format.dateTime(moment, "Asia/Shanghai")).toBe("2020-01-03 00:30:05");
    expect(format.dateTime(moment, "Europe/Warsaw")).toBe("2020-01-02 17:30:05");
    expect(format.hourMinute(moment, "Europe/Warsaw")).toBe("17:30");
    expect(format.date(null, "UTC")).toBeNull();
    expect(format.time("nonsense", "UTC")).toBeNull();
  });
  it("leave out today's date", () => {
    const now = Date.parse("2020-01-02T20:00:00Z");
    expect(format.timeOrDate(moment, "UTC", now)).toBe("16:30:05");
    expect(format.timeOrDate("2020-01-01T09:10:00Z", "UTC", now)).toBe("2020-01-01 09:10");
  });
  it("days are added across months and leap days", () => {
    expect(format.addDays("2020-02-28", 1)).toBe("2020-02-29");
    expect(format.addDays("2020-01-01", -1)).toBe("2019-12-31");
  });
  it.each([
    [59, { unit: "second", n: 59 }],
    [60, { unit: "minute", n: 1 }],
    [7199, { unit: "hour", n: 1 }],
    [200000, { unit: "day", n: 2 }],
  ])("age of %s s", (seconds, wanted) => expect(format.age(seconds)).toEqual(wanted));
});
