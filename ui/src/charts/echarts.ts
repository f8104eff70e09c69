/** Only the parts of ECharts that the page draws with. */
import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { DataZoomInsideComponent, DataZoomSliderComponent, GridComponent, TooltipComponent } from "echarts/components";
import * as core from "echarts/core";
import { AxisBreak } from "echarts/features";
import { CanvasRenderer } from "echarts/renderers";

core.use([
  AxisBreak,
  BarChart,
  CustomChart,
  LineChart,
  DataZoomInsideComponent,
  DataZoomSliderComponent,
  GridComponent,
  TooltipComponent,
  CanvasRenderer,
]);

export const { init } = core;
export type Chart = ReturnType<typeof core.init>;
