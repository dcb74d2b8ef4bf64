// Hall time. The server may replay a recorded day faster than real time, so every age and every running second is
// computed from the server's clock and its speed, never from the clock of this browser.
import { readonly, ref } from "vue";
import type { HallClock } from "@/api/types";

/** Backward steps smaller than this many real milliseconds are delivery jitter and are not shown. */
const JITTER_MS = 1500;

export class RunningClock {
  private base = 0;
  private origin = 0;
  private rate = 1;

  constructor(
    private readonly monotonic: () => number,
    start: number,
  ) {
    this.base = start;
    this.origin = monotonic();
  }

  get speed(): number {
    return this.rate;
  }

  now(): number {
    return this.base + (this.monotonic() - this.origin) * this.rate;
  }

  /** Follows the server's clock; shown time never runs backwards for the sake of jitter. */
  follow(serverNow: number, speed: number = this.rate): void {
    const shown = this.now();
    const jitter = JITTER_MS * Math.max(1, speed);
    const target = serverNow < shown && shown - serverNow < jitter ? shown : serverNow;
    this.base = target;
    this.origin = this.monotonic();
    this.rate = speed;
  }
}

const clock = new RunningClock(() => performance.now(), Date.now());
const shown = ref(clock.now());
const speed = ref(1);
const replaying = ref(false);

export function followSession(session: HallClock): void {
  replaying.value = session.replay !== null;
  clock.follow(Date.parse(session.now), session.replay?.speed ?? 1);
  speed.value = clock.speed;
  shown.value = clock.now();
}

export function followTime(at: string): void {
  clock.follow(Date.parse(at));
}

const TICK_MS = 500;
let ticking = false;
function tick(): void {
  shown.value = clock.now();
}

/** Reactive hall time in milliseconds, shared by everything on the page. */
export function useHallTime() {
  if (!ticking) {
    ticking = true;
    setInterval(tick, TICK_MS);
  }
  return { now: readonly(shown), speed: readonly(speed), replaying: readonly(replaying) };
}

/** Whole seconds from a moment to hall time, never negative; null when the moment is unknown. */
export function secondsSince(since: string | null | undefined, nowMs: number): number | null {
  if (!since) return null;
  return Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
}

/** A waiting time measured at `at`, carried on to hall time. */
export function runningSeconds(measured: number | null, at: string, nowMs: number): number | null {
  if (measured === null) return null;
  return measured + (secondsSince(at, nowMs) ?? 0);
}
