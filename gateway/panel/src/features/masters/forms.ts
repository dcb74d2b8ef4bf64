// Documents of the centre as the panel shows them: their forms come from the program, their labels from the words.
import type { Ref } from "vue";
import { ApiError, get } from "@/kit/api";
import { date, dateTime } from "@/kit/format";
import { useWords } from "@/kit/i18n";
import { useLoad } from "@/kit/load";
import { timeZone } from "@/kit/session";

export type Value = string | number | boolean | null | Record<string, string>;
export type Content = Record<string, Value>;
export interface Field {
  key: string;
  form: "text" | "long" | "number" | "flag" | "time" | "day" | "moment" | "staff" | "choice";
  required: boolean;
  unit: string;
  min?: number;
  max?: number;
  words?: string[];
}
export interface Bound {
  name: string;
  min: number;
  max: number;
  unit: string;
  default: number | null;
}
export interface Forms {
  families: Record<string, Field[]>;
  thresholds?: Bound[];
}
export interface Node {
  node: string;
  parent: string | null;
  is_hall: boolean;
  name: string;
  level: string | null;
  complete_percent: number | null;
}
export interface Doc {
  scope: string;
  id: string;
  change: number;
  content: Content;
}
/** Somebody else changed the document since the edit began; `facts.change` is what stands now. */
export function isOvertaken(problem: unknown): problem is ApiError {
  return problem instanceof ApiError && problem.reason === "changed-meanwhile";
}
export interface Version {
  change: number;
  at: string;
  who: string;
  content: Content | null;
}

/** A drawing of a hall (E-02); `whole` is said by the hall only. */
export interface Drawing {
  id: string;
  kind: string;
  title: string;
  media: string;
  bytes: number;
  sha256: string;
  whole?: boolean;
}
export const DRAWING_BYTES_MAX = 2_000_000;
export const DRAWING_KINDS = ["floor-plan", "design-rendering", "circuit", "water", "network", "other"] as const;
/** Kinds a hall has to have and has not. Pure. */
export const missingKinds = (drawings: readonly Drawing[]): string[] => DRAWING_KINDS.filter((kind) => kind !== "other" && !drawings.some((one) => one.kind === kind));

/** What a register map calls itself. Pure. */
export const titleOfMap = (text: string): string => /^title\s*=\s*(["'])(.*)\1\s*$/m.exec(text)?.[2] ?? "";

export const useForms = (): Ref<Forms | null> => useLoad(() => get<Forms>("/api/v1/masters/forms")).data;
export const useTree = () => useLoad(() => get<{ nodes: Node[] }>("/api/v1/masters/tree"), { every: 60_000 });

export interface Line extends Node {
  depth: number;
}
/** One for all: making it anew for each pair of 3,000 names takes seconds. */
const byName = new Intl.Collator("zh-CN", { numeric: true });
/** Units with what hangs below them, then halls without a place. Pure. */
export function lines(nodes: readonly Node[]): Line[] {
  const below = new Map<string | null, Node[]>();
  const known = new Set(nodes.map((node) => node.node));
  for (const node of nodes) {
    const parent = node.parent !== null && known.has(node.parent) ? node.parent : null;
    const siblings = below.get(parent);
    if (siblings) siblings.push(node);
    else below.set(parent, [node]);
  }
  const found: Line[] = [];
  const walk = (parent: string | null, depth: number): void => {
    const nodes = (below.get(parent) ?? []).sort((a, b) => Number(a.is_hall) - Number(b.is_hall) || byName.compare(a.name, b.name));
    for (const node of nodes) {
      found.push({ ...node, depth });
      walk(node.node, depth + 1);
    }
  };
  walk(null, 0);
  return found;
}

/** What of a tree is shown: what hangs below opened units or, while something is searched, what has it in its name or
 * number, with the path to it. Pure. */
export function visible(all: readonly Line[], opened: ReadonlySet<string>, search: string): { lines: Line[]; found: Set<string> } {
  const needle = search.trim().toLocaleLowerCase();
  const found = new Set<string>();
  if (needle === "") {
    let closed = Number.POSITIVE_INFINITY;
    const shown = all.filter((line) => {
      if (line.depth > closed) return false;
      closed = line.is_hall || opened.has(line.node) ? Number.POSITIVE_INFINITY : line.depth;
      return true;
    });
    return { lines: shown, found };
  }
  const shown: Line[] = [];
  // From the end: a line is shown when it fits, or when one that is deeper and shown follows below it.
  let wanted = -1;
  for (let at = all.length - 1; at >= 0; at -= 1) {
    const line = all[at];
    const fits = line.name.toLocaleLowerCase().includes(needle) || line.node.toLocaleLowerCase().includes(needle);
    if (fits) found.add(line.node);
    if (fits || line.depth === wanted) {
      shown.push(line);
      wanted = line.depth - 1;
    } else if (line.depth < wanted) wanted = -1;
  }
  return { lines: shown.reverse(), found };
}

/** Fields of the province as lines, such as `grid: 7`. Pure. */
export function extraText(extra: Value | undefined): string {
  const pairs = extra !== null && typeof extra === "object" ? Object.entries(extra) : [];
  return pairs.map(([name, value]) => `${name}: ${value}`).join("\n");
}
/** And back; a line without a value is passed over. Both colons count. */
export function extraOf(text: string): Record<string, string> {
  const pairs = text.split("\n").map((line) => /^([^:\uff1a]+)[:\uff1a](.+)$/.exec(line));
  return Object.fromEntries(pairs.flatMap((found) => (found && found[1].trim() && found[2].trim() ? [[found[1].trim(), found[2].trim()]] : [])));
}

/** A value of a field as people read it. */
export function useValues() {
  const { t, code } = useWords();
  const shown = (field: Pick<Field, "key" | "form" | "unit">, value: Value | undefined): string | null => {
    if (value === null || value === undefined) return null;
    if (field.key === "name" && typeof value === "string" && field.unit === "threshold") return code("threshold", value);
    switch (field.form) {
      case "flag":
        return t(value === true ? "masters.yes" : "masters.no");
      case "choice":
        return code("master-word", String(value));
      case "moment":
        return dateTime(String(value), timeZone.value);
      case "number":
        return field.unit ? `${String(value)} ${field.unit}` : String(value);
      default:
        return typeof value === "object" ? Object.entries(value).map(([name, text]) => `${name}: ${text}`).join(t("common.comma")) : String(value);
    }
  };
  return { shown, label: (key: string) => code("master-field", key) };
}

export const dayOf = (at: string | null | undefined): string | null => date(at, timeZone.value);
