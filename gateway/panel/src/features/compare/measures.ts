// Measures of the comparison: how each is read from a row and shown.
import type { CompareNumbers } from "@/api/types";
import { count, duration, hundredths, percent } from "@/kit/format";

export const MEASURES = [
  "issued",
  "no_show_bp",
  "waiting_p50_s",
  "waiting_p90_s",
  "handling_p50_s",
  "rating_mean_x100",
  "climate_in_band_bp",
] as const;
export type Measure = (typeof MEASURES)[number];

export function isMeasure(text: string): text is Measure {
  return (MEASURES as readonly string[]).includes(text);
}

export function show(measure: Measure, value: number | null | undefined): string | null {
  switch (measure) {
    case "issued":
      return count(value);
    case "no_show_bp":
    case "climate_in_band_bp":
      return percent(value);
    case "rating_mean_x100":
      return hundredths(value);
    default:
      return duration(value);
  }
}

export function valueOf(row: CompareNumbers, measure: Measure): number | null {
  return row[measure];
}
