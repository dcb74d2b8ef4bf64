// A driver's form: what is typed, and the settings it stands for. Pure.
import type { FormField, FormText, Json } from "@/api/types";
import { ApiError } from "@/kit/api";

export interface LinkValue {
  way: "serial" | "tcp";
  serial: string;
  baud: string;
  parity: string;
  stop_bits: string;
  tcp: string;
}
export interface Pair {
  key: string;
  value: string;
}
export type FieldValue = string | boolean | LinkValue | Pair[];
export type FormValues = Record<string, FieldValue>;

export const BAUDS = ["1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200"];
export const PARITIES = ["none", "even", "odd"];
export const STOP_BITS = ["1", "2"];

/** A text of a driver in the language of the page. */
export function inLocale(text: FormText | null | undefined, locale: string): string {
  return (locale === "en" ? text?.en : text?.zh) ?? "";
}

function isTable(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
export function readPath(settings: Json | null, key: string): unknown {
  return key.split(".").reduce<unknown>((found, part) => (isTable(found) ? found[part] : undefined), settings);
}
function writePath(settings: Json, key: string, value: unknown): void {
  const parts = key.split(".");
  const last = parts.pop() as string;
  let table = settings;
  for (const part of parts) {
    if (!isTable(table[part])) table[part] = {};
    table = table[part] as Json;
  }
  if (value === undefined) delete table[last];
  else table[last] = value;
}
const text = (value: unknown, fallback = ""): string => (value === undefined || value === null ? fallback : String(value));

/** What a form cannot ask, such as a register map written out in place, stays as it is. */
export function isKept(field: FormField, settings: Json | null): boolean {
  const found = readPath(settings, field.key);
  return typeof found === "object" && found !== null && field.kind !== "link" && field.kind !== "pairs";
}

export function valuesOf(fields: readonly FormField[], settings: Json | null, ports: readonly string[] = []): FormValues {
  const values: FormValues = {};
  for (const field of fields) {
    const found = readPath(settings, field.key);
    if (field.kind === "link") values[field.key] = linkOf(isTable(found) ? found : {}, ports);
    else if (field.kind === "pairs") values[field.key] = isTable(found) ? Object.entries(found).map(([key, value]) => ({ key, value: text(value) })) : [];
    else if (field.kind === "flag") values[field.key] = found === undefined ? field.default === "true" : found === true;
    else values[field.key] = text(found, settings === null || field.required ? (field.default ?? "") : "");
  }
  return values;
}
function linkOf(table: Json, ports: readonly string[]): LinkValue {
  const known = table.serial !== undefined ? "serial" : table.tcp !== undefined ? "tcp" : null;
  return {
    way: known ?? (ports.length > 0 ? "serial" : "tcp"),
    serial: text(table.serial, known ? "" : (ports[0] ?? "")),
    baud: text(table.baud, "9600"),
    parity: text(table.parity, "none"),
    stop_bits: text(table.stop_bits, "1"),
    tcp: text(table.tcp),
  };
}

/** The settings to send. What the form does not ask stays as it was; what is left empty is left out. */
export function settingsOf(fields: readonly FormField[], values: FormValues, before: Json | null): Json {
  // Settings are JSON, and may be watched by a page: what is watched cannot be cloned otherwise.
  const settings = JSON.parse(JSON.stringify(before ?? {})) as Json;
  for (const field of fields) {
    if (!isKept(field, before)) writePath(settings, field.key, valueOf(field, values[field.key]));
  }
  return settings;
}
function valueOf(field: FormField, value: FieldValue): unknown {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value)) {
    const pairs = value.filter((pair) => pair.key.trim() !== "").map((pair) => [pair.key.trim(), pair.value.trim()]);
    return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
  }
  if (typeof value === "object") {
    if (value.way === "tcp") return { tcp: value.tcp.trim() };
    return { serial: value.serial.trim(), baud: numeric(value.baud), parity: value.parity, stop_bits: numeric(value.stop_bits) };
  }
  const plain = field.kind === "secret" ? value : value.trim();
  if (plain === "") return undefined;
  return field.kind === "number" ? numeric(plain) : plain;
}
/** What is no number goes as it was typed: the server says what it wants. */
function numeric(typed: string): number | string {
  const plain = typed.trim();
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : typed;
}

/** Keys of required fields nothing was said in. A secret that is known already may stay. */
export function missing(fields: readonly FormField[], values: FormValues, isKnown: boolean): string[] {
  return fields
    .filter((field) => field.required && !(isKnown && field.kind === "secret"))
    .filter((field) => {
      const value = values[field.key];
      if (typeof value === "string") return value.trim() === "";
      if (Array.isArray(value)) return value.length === 0;
      return typeof value === "object" && (value.way === "tcp" ? value.tcp : value.serial).trim() === "";
    })
    .map((field) => field.key);
}

export interface SettingsProblem {
  /** Of the field it belongs to; null when the form does not ask for it. */
  field: string | null;
  key: string;
  expected: string;
  found: string;
}
/** What a driver says of its settings; null when the error is about something else. */
export function problemOf(error: unknown, fields: readonly FormField[]): SettingsProblem | null {
  if (!(error instanceof ApiError) || error.reason !== "setting") return null;
  const { key, expected, found } = error.facts as { key: string; expected: string; found: string };
  const field = fields.find((each) => key === each.key || key.startsWith(`${each.key}.`));
  return { field: field?.key ?? null, key, expected, found };
}

/** What is expected, as a word and its values. What has no word is quoted as the driver says it. */
export function wordOf({ expected, found }: SettingsProblem): { word: string; values: Record<string, string> } {
  const range = /^(-?\d+) to (-?\d+)$/.exec(expected);
  if (found === "nothing") return { word: "must-fill", values: {} };
  if (range) return { word: "expected-range", values: { from: range[1], to: range[2], found } };
  if (/^[ui]\d+$/.test(expected)) return { word: "expected-integer", values: { found } };
  if (expected === "host:port") return { word: "expected-peer", values: { found } };
  return { word: "expected-other", values: { expected, found } };
}
