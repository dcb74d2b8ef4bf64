// Columns and sorting shared by every table.

export interface Column {
  key: string;
  label: string;
  sort?: boolean;
  end?: boolean;
  /** Explains the column in the header's title. */
  hint?: string;
  /** Left out on narrow screens. */
  minor?: boolean;
  /** Heads the card on narrow screens. */
  head?: boolean;
}
export interface Sorting {
  key: string;
  dir: "asc" | "desc";
}

export function nextSorting(current: Sorting | null, key: string): Sorting {
  if (current?.key === key) return { key, dir: current.dir === "asc" ? "desc" : "asc" };
  return { key, dir: "desc" };
}

type Sortable = string | number | null | undefined;

/** Sorts a copy; rows without data come last in both directions, because unknown is neither best nor worst. */
export function sorted<T>(rows: readonly T[], value: (row: T) => Sortable, dir: "asc" | "desc"): T[] {
  const sign = dir === "asc" ? 1 : -1;
  return [...rows].sort((a, b) => {
    const left = value(a);
    const right = value(b);
    const leftMissing = left === null || left === undefined;
    const rightMissing = right === null || right === undefined;
    if (leftMissing || rightMissing) return Number(leftMissing) - Number(rightMissing);
    if (typeof left === "string" && typeof right === "string") return sign * left.localeCompare(right, "zh-CN", { numeric: true });
    return sign * (Number(left) - Number(right));
  });
}

const needsQuotes = /[",\n\r]/;
/** RFC 4180 with a byte order mark, so that spreadsheets read Chinese. Cells that look like formulas are defused. */
export function csv(header: string[], rows: (string | number | null | undefined)[][]): string {
  const cell = (value: string | number | null | undefined): string => {
    if (value === null || value === undefined) return "";
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return needsQuotes.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return `\uFEFF${[header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

export function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
