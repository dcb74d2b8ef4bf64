// What the parts of a device say, as lines for people. Pure: words are looked up by whoever shows them.
import type { DevicePart } from "@/api/types";
import { count } from "@/kit/format";
import type { Tone } from "@/kit/Mark.vue";

/** Values of closed lists, as `field-value`. A value that is not here is shown as it came. */
export const VALUE_TONES: Record<string, Tone> = {
  "in_service-true": "good",
  "in_service-false": "bad",
  "online-true": "good",
  "online-false": "bad",
  "paper-ok": "good",
  "paper-low": "warn",
  "paper-out": "bad",
  "paper-jammed": "bad",
  "cash_box-ok": "good",
  "cash_box-high": "warn",
  "cash_box-full": "bad",
  "cash_box-removed": "bad",
  "cover_open-true": "bad",
  "cover_open-false": "good",
  "cutter_fault-true": "bad",
  "cutter_fault-false": "good",
  "toner-ok": "good",
  "toner-low": "warn",
  "toner-out": "bad",
  "source-mains": "good",
  "source-battery": "warn",
  "source-bypass": "warn",
  "source-off": "bad",
  "battery-ok": "good",
  "battery-low": "bad",
  "battery-worn": "warn",
  "on-true": "brand",
  "on-false": "calm",
  "severity-critical": "bad",
  "severity-major": "bad",
  "severity-minor": "warn",
  "severity-warning": "warn",
  "severity-cleared": "good",
  "acknowledged-true": "good",
  "acknowledged-false": "bad",
};
const OVERLOAD = 100;
/** These name the part; they are no state of it. */
const NAMES = ["input", "alarm", "name"];

export interface PartLine {
  field: string;
  /** `field-value`, to be put into words. */
  word?: string;
  text: string;
  tone?: Tone;
  /** A span of time, to be put into words. */
  seconds?: number;
  /** What a screen shows, to be put into words. */
  display?: { show: string; ticket?: string; text?: string };
}
export interface ShownPart {
  kind: string;
  /** Of several parts of one kind. */
  name: string | null;
  time: string;
  lines: PartLine[];
  tone: Tone;
}

const UNITS: Record<string, (value: number) => string> = {
  charge_percent: (value) => `${value}%`,
  load_percent: (value) => `${value}%`,
  humidity: (value) => `${value}%`,
  temperature: (value) => `${value.toFixed(1)} °C`,
  power: (value) => `${value.toFixed(1)} W`,
  voltage: (value) => `${value.toFixed(1)} V`,
  energy_wh: (value) => `${(value / 1000).toFixed(1)} kWh`,
  entered: (value) => count(value) ?? "",
  left: (value) => count(value) ?? "",
};

function lineOf(field: string, value: unknown): PartLine[] {
  if (field === "display") return [{ field: "text", text: "", display: value as PartLine["display"] }];
  if (field === "faults" && Array.isArray(value)) return value.map((fault) => ({ field, text: String(fault), tone: "bad" as const }));
  if (typeof value === "number") {
    if (field === "runtime_s") return [{ field, text: String(value), seconds: value }];
    const tone = field === "load_percent" && value > OVERLOAD ? "bad" : undefined;
    return [{ field, text: UNITS[field]?.(value) ?? String(value), tone }];
  }
  if (typeof value === "string" || typeof value === "boolean") {
    const word = `${field}-${value}`;
    return word in VALUE_TONES ? [{ field, word, text: String(value), tone: VALUE_TONES[word] }] : [{ field, text: String(value) }];
  }
  return [{ field, text: JSON.stringify(value) }];
}

const FROM_WORST: Tone[] = ["bad", "warn", "brand", "good", "calm"];
export function worst(tones: readonly Tone[]): Tone {
  return FROM_WORST.find((tone) => tones.includes(tone)) ?? "calm";
}

/** What needs somebody first, within that the newest. */
export function shownParts(parts: readonly DevicePart[]): ShownPart[] {
  const shown = parts.map((part): ShownPart => {
    const lines = Object.entries(part.state)
      // What is said for programs stands for the same text; a unit stands behind its value.
      .filter(([field]) => !NAMES.includes(field) && field !== "unit" && !(field === "text" && "display" in part.state))
      .flatMap(([field, value]) => lineOf(field, "unit" in part.state ? `${value} ${part.state.unit}` : value));
    const name = NAMES.map((field) => part.state[field]).find((value) => typeof value === "string") as string | undefined;
    return { kind: part.kind, name: name ?? null, time: part.time, lines, tone: worst(lines.map((line) => line.tone ?? "calm")) };
  });
  const rank = (part: ShownPart) => (part.tone === "bad" ? 0 : part.tone === "warn" ? 1 : 2);
  return shown.sort((a, b) => rank(a) - rank(b) || Date.parse(b.time) - Date.parse(a.time));
}
