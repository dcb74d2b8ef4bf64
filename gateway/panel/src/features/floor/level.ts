// When a wait is long. The hall's own promise comes with the service-level settings of a later release; until then
// these two steps hold for every queue.
export type Level = "calm" | "rising" | "long";

export const RISING_S = 5 * 60;
export const LONG_S = 10 * 60;

export function level(seconds: number | null): Level {
  if (seconds === null || seconds < RISING_S) return "calm";
  return seconds < LONG_S ? "rising" : "long";
}

/** Nobody waiting is calm whatever the last known longest wait was. */
export function queueLevel(waiting: number | null, seconds: number | null): Level {
  return waiting === 0 ? "calm" : level(seconds);
}
