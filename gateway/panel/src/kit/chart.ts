// Looks shared by the charts; types only, so that importing it does not pull ECharts in.
import type { ChartOption } from "./echarts";

/** Told apart by lightness as well as by hue; at least 3:1 against white. */
export const COLOURS = ["#0f5c63", "#b45309", "#4338ca", "#a21caf", "#15803d", "#b91c1c", "#475569", "#0369a1"];

/** ECharts measures text itself, so it needs the names and not "inherit". */
const FONT = '"Zhiban Latin", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif';

export const AXIS = {
  axisLine: { lineStyle: { color: "#8f9ca6" } },
  axisLabel: { color: "#2d3b45", fontSize: 12 },
  splitLine: { lineStyle: { color: "#e3e9ec" } },
  nameTextStyle: { color: "#2d3b45" },
};

export function base(): ChartOption {
  return {
    color: COLOURS,
    animation: false,
    textStyle: { fontFamily: FONT, color: "#16232b" },
    grid: { left: 8, right: 12, top: 40, bottom: 8, containLabel: true },
    legend: { top: 0, left: 0, itemGap: 16, textStyle: { color: "#16232b" }, type: "plain" },
    tooltip: { trigger: "axis", renderMode: "html", confine: true },
  };
}

const SECOND_STEPS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const MOST_TICKS = 6;

/** Ticks of an axis of seconds: whole minutes instead of round decimal numbers. */
export function secondsTicks(values: readonly (number | null)[]): { interval: number; max: number } {
  const top = Math.max(1, ...values.map((value) => value ?? 0));
  const interval = SECOND_STEPS.find((step) => top / step <= MOST_TICKS) ?? SECOND_STEPS[SECOND_STEPS.length - 1];
  return { interval, max: Math.ceil(top / interval) * interval };
}
