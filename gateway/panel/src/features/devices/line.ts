// What passed on a line, cut into the ranges its driver explains. Pure.
import type { LinePiece } from "@/api/types";
import { dateTime } from "@/kit/format";

export interface Span {
  /** Two hex digits each. */
  bytes: string[];
  /** Position of the first byte in the piece. */
  from: number;
  /** Which meaning the bytes belong to. */
  meaning: number | null;
  good: boolean;
}

export function bytesOf(hex: string): string[] {
  return hex.match(/../g) ?? [];
}

export function spansOf(piece: LinePiece): Span[] {
  const spans: Span[] = [];
  for (const [at, byte] of bytesOf(piece.hex).entries()) {
    const found = piece.meanings.findIndex((meaning) => at >= meaning.from && at < meaning.to);
    const meaning = found < 0 ? null : found;
    const last = spans[spans.length - 1];
    if (last && last.meaning === meaning) last.bytes.push(byte);
    else spans.push({ bytes: [byte], from: at, meaning, good: meaning === null || piece.meanings[meaning].good });
  }
  return spans;
}

/** Groups of eight, counted from the start of the piece, so that columns stand under each other. */
const GROUP = 8;
export function groupsOf(span: Span): string[] {
  const groups: string[] = [];
  for (const [index, byte] of span.bytes.entries()) {
    if (index === 0 || (span.from + index) % GROUP === 0) groups.push(byte);
    else groups[groups.length - 1] += ` ${byte}`;
  }
  return groups;
}

/** Whether anybody answers, for who does not read bytes. */
export interface Pulse {
  state: "answers" | "unanswered" | "only-out";
  /** Pieces that went out since the last one came in. */
  waiting: number;
  lastIn: string | null;
}
/** A device is slow at times; so many questions in a row without a word are no accident. */
const UNANSWERED_MIN = 3;
export function pulseOf(pieces: readonly LinePiece[]): Pulse {
  const last = pieces.map((piece) => piece.direction).lastIndexOf("in");
  if (last < 0) return { state: "only-out", waiting: pieces.length, lastIn: null };
  const waiting = pieces.length - 1 - last;
  return { state: waiting >= UNANSWERED_MIN ? "unanswered" : "answers", waiting, lastIn: pieces[last].at };
}

/** Time of day with milliseconds: frames follow each other faster than seconds tell. */
export function exactTime(at: string, timeZone: string): string {
  const ms = String(new Date(at).getUTCMilliseconds()).padStart(3, "0");
  return `${dateTime(at, timeZone)?.slice(11) ?? ""}.${ms}`;
}

export const ARROWS = { in: "←", out: "→" } as const;

/** For a mail to the maker. */
export function asText(pieces: readonly LinePiece[], timeZone: string): string {
  const lines = pieces.map((piece) => {
    const meanings = piece.meanings.map((meaning) => `${meaning.good ? "" : "! "}${meaning.text}`);
    const day = dateTime(piece.at, timeZone)?.slice(0, 10) ?? "";
    return [`${day} ${exactTime(piece.at, timeZone)} ${ARROWS[piece.direction]} ${bytesOf(piece.hex).join(" ")}`, ...meanings.map((text) => `    ${text}`)].join("\n");
  });
  return `${lines.join("\n")}\n`;
}
