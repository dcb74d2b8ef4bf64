// What the lines of the first steps say.
import type { FirstSteps } from "@/api/types";
import type { Tone } from "@/kit/Mark.vue";

export type StepName = FirstSteps["steps"][number]["step"];
export type StepState = "done" | "confirmed" | "open";

export const STEP_TONES: Record<StepState, Tone> = { done: "good", confirmed: "calm", open: "warn" };

export function stateOf(step: FirstSteps["steps"][number]): StepState {
  return step.done ? "done" : step.confirmed ? "confirmed" : "open";
}

export function openSteps(found: FirstSteps): StepName[] {
  return found.steps.filter((step) => stateOf(step) === "open").map((step) => step.step);
}

/** `08:30:00` as people say it. */
export function shortTime(text: string): string {
  return text.slice(0, 5);
}
