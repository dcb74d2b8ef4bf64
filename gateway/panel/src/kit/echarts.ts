// The parts of ECharts that the panel draws with; this file is a lazy chunk of its own.
import { BarChart, type BarSeriesOption, LineChart, type LineSeriesOption } from "echarts/charts";
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
  TooltipComponent,
  type TooltipComponentOption,
} from "echarts/components";
import { type ComposeOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

export type ChartOption = ComposeOption<
  BarSeriesOption | LineSeriesOption | GridComponentOption | LegendComponentOption | TooltipComponentOption
>;
export interface ChartHandle {
  setOption(option: ChartOption, replace: boolean): void;
  resize(): void;
  dispose(): void;
}

export function draw(host: HTMLElement): ChartHandle {
  return init(host, null, { renderer: "svg" });
}
