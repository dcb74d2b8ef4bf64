// Rows as halls send them. What a hall of another version sends may lack fields: nothing is taken for granted.
import type { HallRows, HallRowsAsked, Json } from "@/api/types";
import { post } from "@/kit/api";

export const KINDS = ["tickets", "reports", "alarms"] as const;
export type Kind = (typeof KINDS)[number];

export type Row = Json;
/** Fields of the question; what is empty is not asked for. */
export type Asked = HallRowsAsked & { rows: Kind };

/** Rows of one answer. */
export const PAGE = 100;
/** Rows of one file, and of one answer for it. */
export const FILE_MAX = 5000;
const FILE_PAGE = 500;

export function isKind(text: string): text is Kind {
  return (KINDS as readonly string[]).includes(text);
}

/** A question without what is empty or belongs to rows of another kind. */
export function question(asked: Asked): Record<string, string> {
  const fields: Record<Kind, (keyof HallRowsAsked)[]> = {
    tickets: ["rows", "day", "queue", "counter", "from", "until"],
    reports: ["rows", "day", "device"],
    alarms: ["rows"],
  };
  return Object.fromEntries(fields[asked.rows].flatMap((field) => (asked[field] ? [[field, asked[field]]] : []))) as Record<string, string>;
}

export function ask(store: string, asked: Asked, after: string | null, limit = PAGE): Promise<HallRows> {
  const path = `/api/v1/halls/${encodeURIComponent(store)}/rows`;
  return post<HallRows>(path, { ...question(asked), limit, ...(after ? { after } : {}) });
}

/** All rows up to [`FILE_MAX`], page by page. */
export async function askAll(store: string, asked: Asked, tell: (count: number) => void): Promise<Row[]> {
  const all: Row[] = [];
  let after: string | null = null;
  do {
    const page: HallRows = await ask(store, asked, after, FILE_PAGE);
    all.push(...page.rows);
    tell(all.length);
    after = page.next;
  } while (after && all.length < FILE_MAX);
  return all.slice(0, FILE_MAX);
}

export function text(row: Row, field: string): string | null {
  const value = row[field];
  if (value === null || value === undefined || value === "") return null;
  if (Array.isArray(value)) return value.map(String).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
export function number(row: Row, field: string): number | null {
  const value = row[field];
  return typeof value === "number" ? value : null;
}
export function words(row: Row, field: string): string[] {
  const value = row[field];
  return Array.isArray(value) ? value.map(String) : [];
}

/** Columns of a file, by the names the hall gives its fields. */
export const FILE_COLUMNS: Record<Kind, readonly string[]> = {
  tickets: ["number", "queue", "class", "state", "issued_at", "called_at", "started_at", "ended_at", "waiting_s", "handling_s", "counter", "staff", "rating", "calls", "flags"],
  reports: ["id", "at", "received", "kind", "seq", "payload"],
  alarms: ["device", "alarm", "severity", "text"],
};

export function lines(kind: Kind, rows: Row[]): (string | number | null)[][] {
  return rows.map((row) => FILE_COLUMNS[kind].map((field) => number(row, field) ?? text(row, field)));
}
