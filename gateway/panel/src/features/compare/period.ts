// Periods of the comparison, in days of the hall.
import { addDays } from "@/kit/format";

export const PRESETS = ["today", "yesterday", "week", "month"] as const;
export type Preset = (typeof PRESETS)[number];

export interface Period {
  from: string;
  to: string;
}

export function period(preset: Preset, today: string): Period {
  switch (preset) {
    case "today":
      return { from: today, to: today };
    case "yesterday":
      return { from: addDays(today, -1), to: addDays(today, -1) };
    case "week":
      return { from: addDays(today, -6), to: today };
    case "month":
      return { from: `${today.slice(0, 8)}01`, to: today };
  }
}

/** The preset whose days these are, so that the button can be shown pressed. */
export function presetOf(shown: Period, today: string): Preset | null {
  return PRESETS.find((preset) => {
    const days = period(preset, today);
    return days.from === shown.from && days.to === shown.to;
  }) ?? null;
}
