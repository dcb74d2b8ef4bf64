// Topics of devices that speak the form of another maker, as a person knows them and as the hall writes them. Pure.

/** What a device can speak; `own` is the form of this hall. */
export const FORMS = ["own", "home-assistant", "tasmota", "sparkplug", "other"] as const;
export type TopicForm = (typeof FORMS)[number];

/** What a person is asked in each form, by the word of the question. */
export const QUESTIONS: Record<TopicForm, readonly string[]> = {
  own: [],
  "home-assistant": ["prefix"],
  tasmota: ["topic"],
  sparkplug: ["group", "node"],
  other: ["list"],
};

/** The prefixes that belong to the answers; none while an answer is missing. */
export function prefixesOf(form: TopicForm, answers: readonly string[]): string[] {
  const [first = "", second = ""] = answers.map((answer) => answer.trim().replace(/\/+$/, ""));
  if (form === "own" || first === "") return [];
  if (form === "tasmota") return [`+/${first}`];
  if (form === "sparkplug") return second === "" ? [] : [`spBv1.0/${first}/+/${second}`];
  return first.split(/[\s,]+/).filter(Boolean);
}

/** The form and the answers that give these prefixes. */
export function formOf(prefixes: readonly string[]): { form: TopicForm; answers: string[] } {
  if (prefixes.length === 0) return { form: "own", answers: [] };
  if (prefixes.length > 1) return { form: "other", answers: [prefixes.join(" ")] };
  const [prefix] = prefixes;
  const node = /^spBv1\.0\/([^/]+)\/\+\/([^/]+)$/.exec(prefix);
  if (node) return { form: "sparkplug", answers: [node[1], node[2]] };
  const tasmota = /^\+\/([^/+]+)$/.exec(prefix);
  if (tasmota) return { form: "tasmota", answers: [tasmota[1]] };
  return { form: prefix.includes("+") ? "other" : "home-assistant", answers: [prefix] };
}
