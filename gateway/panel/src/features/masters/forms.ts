// Documents of the centre as the panel shows them: their forms come from the program, their labels from the words.
import type { Ref } from "vue";
import { get } from "@/kit/api";
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
export interface Version {
  change: number;
  at: string;
  who: string;
  content: Content | null;
}

export const useForms = (): Ref<Forms | null> => useLoad(() => get<Forms>("/api/v1/masters/forms")).data;
export const useTree = () => useLoad(() => get<{ nodes: Node[] }>("/api/v1/masters/tree"), { every: 60_000 });

export interface Line extends Node {
  depth: number;
}
/** Units with what hangs below them, then halls without a place. Pure. */
export function lines(nodes: readonly Node[]): Line[] {
  const below = new Map<string | null, Node[]>();
  const known = new Set(nodes.map((node) => node.node));
  for (const node of nodes) {
    const parent = node.parent !== null && known.has(node.parent) ? node.parent : null;
    below.set(parent, [...(below.get(parent) ?? []), node]);
  }
  const found: Line[] = [];
  const walk = (parent: string | null, depth: number): void => {
    const nodes = [...(below.get(parent) ?? [])].sort((a, b) => Number(a.is_hall) - Number(b.is_hall) || a.name.localeCompare(b.name, "zh-CN", { numeric: true }));
    for (const node of nodes) {
      found.push({ ...node, depth });
      walk(node.node, depth + 1);
    }
  };
  walk(null, 0);
  return found;
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
