// When a wait is long: from the thresholds that hold today, which come with the floor.
import { shallowRef } from "vue";

export type Level = "calm" | "rising" | "long";
export interface Limits {
  wait_rising_s: number;
  wait_long_s: number;
}

/** Until the floor has come, and where nobody set a threshold. */
const limits = shallowRef<Limits>({ wait_rising_s: 5 * 60, wait_long_s: 10 * 60 });

export function setLimits(found: Limits): void {
  limits.value = found;
}

export function level(seconds: number | null): Level {
  if (seconds !== null && seconds >= limits.value.wait_long_s) return "long";
  return seconds === null || seconds < limits.value.wait_rising_s ? "calm" : "rising";
}

/** Nobody waiting is calm whatever the last known longest wait was. */
export function queueLevel(waiting: number | null, seconds: number | null): Level {
  return waiting === 0 ? "calm" : level(seconds);
}
