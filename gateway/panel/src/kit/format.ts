// Numbers and times as people read them. Everything takes null and hands back null: no data is never shown as zero.

const DAY_MS = 86_400_000;

type Maybe<T> = T | null | undefined;

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** 75 -> "1:15", 3675 -> "1:01:15". */
export function duration(seconds: Maybe<number>): string | null {
  if (seconds === null || seconds === undefined) return null;
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = pad(whole % 60);
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`;
}

export function count(value: Maybe<number>): string | null {
  if (value === null || value === undefined) return null;
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Basis points as a percentage with one digit: 123 -> "1.2%". */
export function percent(basisPoints: Maybe<number>): string | null {
  if (basisPoints === null || basisPoints === undefined) return null;
  // A share that is nearly whole must not be rounded up to "100%": completeness would lie.
  const tenths = basisPoints < 10000 ? Math.min(999, Math.round(basisPoints / 10)) : Math.round(basisPoints / 10);
  return `${(tenths / 10).toFixed(1)}%`;
}

export function hundredths(value: Maybe<number>): string | null {
  if (value === null || value === undefined) return null;
  return (value / 100).toFixed(2);
}

export function tenths(value: Maybe<number>, unit = ""): string | null {
  if (value === null || value === undefined) return null;
  return `${(value / 10).toFixed(1)}${unit}`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
export function bytes(value: Maybe<number>): string | null {
  if (value === null || value === undefined) return null;
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
function formatter(timeZone: string): Intl.DateTimeFormat {
  let found = formatters.get(timeZone);
  if (!found) {
    // The Swedish form is yyyy-MM-dd HH:mm:ss, which is what both of our languages use.
    found = new Intl.DateTimeFormat("sv-SE", {
      timeZone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formatters.set(timeZone, found);
  }
  return found;
}

function local(at: Maybe<string | number>, timeZone: string): string | null {
  if (at === null || at === undefined) return null;
  const ms = typeof at === "number" ? at : Date.parse(at);
  return Number.isNaN(ms) ? null : formatter(timeZone).format(ms);
}

export function dateTime(at: Maybe<string | number>, timeZone: string): string | null {
  return local(at, timeZone);
}
export function date(at: Maybe<string | number>, timeZone: string): string | null {
  return local(at, timeZone)?.slice(0, 10) ?? null;
}
export function time(at: Maybe<string | number>, timeZone: string): string | null {
  return local(at, timeZone)?.slice(11) ?? null;
}
export function hourMinute(at: Maybe<string | number>, timeZone: string): string | null {
  return local(at, timeZone)?.slice(11, 16) ?? null;
}
/** A moment as an input of browsers has it (yyyy-MM-ddTHH:mm), by the clock of the program, not of the browser. */
export function toInput(at: string | number, timeZone: string): string {
  return (local(at, timeZone) ?? "").slice(0, 16).replace(" ", "T");
}
/** The moment an input of browsers means; in the hour the clock is put back, the first of both. */
export function fromInput(text: string, timeZone: string): string {
  const wall = Date.parse(`${text}Z`);
  const offset = (at: number): number => Date.parse(`${toInput(at, timeZone)}Z`) - at;
  // The offset a day before holds on this side of a change of the clock, and that a day after on the other.
  const sides = [wall - offset(wall - DAY_MS), wall - offset(wall + DAY_MS)];
  return new Date(sides.find((at) => toInput(at, timeZone) === text) ?? sides[0]).toISOString();
}
/** Time only when the moment is on the day being shown, otherwise day and time. */
export function timeOrDate(at: Maybe<string | number>, timeZone: string, nowMs: number): string | null {
  const text = local(at, timeZone);
  if (text === null) return null;
  return text.slice(0, 10) === date(nowMs, timeZone) ? text.slice(11) : text.slice(0, 16);
}

/** A member of staff by name; the number only where the name is not known to the box. */
export function person(who: Maybe<{ staff: string; name: string }>): string | null {
  if (!who) return null;
  return who.name === who.staff ? who.staff : `${who.name} (${who.staff})`;
}

/** Adds days to yyyy-MM-dd without time zones. */
export function addDays(day: string, days: number): string {
  const moved = new Date(`${day}T00:00:00Z`);
  moved.setUTCDate(moved.getUTCDate() + days);
  return moved.toISOString().slice(0, 10);
}

export interface Age {
  unit: "second" | "minute" | "hour" | "day";
  n: number;
}
export function age(seconds: number): Age {
  if (seconds < 60) return { unit: "second", n: Math.floor(seconds) };
  if (seconds < 3600) return { unit: "minute", n: Math.floor(seconds / 60) };
  if (seconds < 86400) return { unit: "hour", n: Math.floor(seconds / 3600) };
  return { unit: "day", n: Math.floor(seconds / 86400) };
}
