// How one counter is told: its tone, its words, its running time.
import { computed } from "vue";
import type { CounterState, FloorCounter } from "@/api/types";
import { secondsSince, useHallTime } from "@/kit/clock";
import { duration } from "@/kit/format";
import { useWords } from "@/kit/i18n";
import type { Tone } from "@/kit/Mark.vue";

export const TONES: Record<CounterState, Tone> = { open: "good", busy: "warn", break: "brand", closed: "calm" };

/** Up to here every counter is a tile; beyond, a line, so that the hall still fits on one screen. */
export const MOST_TILES = 12;

/** Beyond this many lines the screen is full, and those who are free are named in short. */
export const MOST_LINES = 45;

/** Open and free: ready to call. */
export function isIdle(counter: FloorCounter): boolean {
  return counter.state === "open" && counter.ticket === null;
}
/** Nobody works there: it needs a name in the list but no attention. */
export function isClosed(counter: FloorCounter): boolean {
  return counter.state === "closed" && counter.ticket === null;
}

export function useCounter(counter: () => FloorCounter) {
  const { t, code } = useWords();
  const { now } = useHallTime();
  const since = (at: string | null) => duration(secondsSince(at, now.value));
  /** Null for one that is free: the box knows since when it is open, not since when nobody sits there. */
  const running = computed(() => (counter().ticket ? since(counter().ticket?.since ?? null) : isIdle(counter()) ? null : since(counter().since)));
  const state = computed(() => code("counter-state", counter().state));
  const doing = computed(() => {
    const { ticket, state: current } = counter();
    if (ticket) return code("floor.ticket", ticket.state);
    return current === "open" ? t("floor.idle") : "";
  });
  const title = computed(() => {
    const current = counter();
    const stateFor = [state.value, since(current.since)].filter(Boolean).join(" ");
    return [`${t("floor.counter")} ${current.name || current.counter}`, current.staff?.name ?? t("floor.nobody"), stateFor, doing.value].filter(Boolean).join(" · ");
  });
  return { running, state, doing, title };
}
