/** The option of a chart of curves: both sides over one x axis of numbers, each with its band, and what is marked on the axis. */
import type { EChartsCoreOption } from "echarts/core";
import type { Palette } from "../base/theme";
import { tipNode } from "./EChart";
import { band, type Api } from "./timeseries";

type Side = "reference" | "current";
export interface Trace {
  side: Side;
  x: number[];
  y: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  say: (point: number) => string[]; // what the pointer reads at a point: the first line is its title
}
export interface Axis {
  title: string;
  min: number;
  max: number;
  show: (value: number) => string;
  step?: number;
}
/** A place on the x axis and the range around it that is as good. */
export interface Place {
  side: Side;
  at: number;
  low: number;
  high: number;
}
export interface Curves {
  traces: Trace[];
  x: Axis;
  y: Axis;
  chance?: [number, number][]; // the line that guessing would draw
  places?: Place[];
  points?: boolean;
}

/** An axis with round ends and steps that holds two values; it begins at 0 where that is near. */
export function roundAxis(low: number, high: number, steps = 5): Pick<Axis, "min" | "max" | "step"> {
  const from = low > 0 && low < (high - low) * 0.6 ? 0 : low;
  const rough = (high - from || Math.abs(high) || 1) / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5].find((times) => times * power >= rough) ?? 10) * power;
  return { min: Math.floor(from / step) * step, max: Math.ceil(high / step) * step, step };
}

const quiet = { type: "value", axisTick: { show: false } };

function bandOf({ x, low = [], high = [] }: Trace): [number, number, number][][] {
  const run = x.flatMap((at, i): [number, number, number][] => {
    const [l, h] = [low[i], high[i]];
    return l == null || h == null ? [] : [[at, l, h]];
  });
  return run.length > 1 ? [run] : [];
}

function placeSeries({ at, low, high, side }: Place, y: Axis, palette: Palette): object {
  const renderItem = (_: unknown, api: Api) => {
    const [[x, bottom], [, top]] = [api.coord([at, y.min]), api.coord([at, y.max])];
    const [[from], [to]] = [api.coord([low, y.min]), api.coord([high, y.min])];
    const height = bottom - top;
    const shade = { type: "rect", shape: { x: from, y: top, width: Math.max(to - from, 1), height }, style: { fill: palette[side], opacity: 0.1 } };
    const stroke = { stroke: palette[side], lineWidth: 1.5, lineDash: [4, 3] };
    return { type: "group", children: [shade, { type: "line", shape: { x1: x, x2: x, y1: top, y2: bottom }, style: stroke }] };
  };
  return { type: "custom", renderItem, data: [[at, y.min]], clip: true, silent: true, z: 1, tooltip: { show: false } };
}

function lineSeries(trace: Trace, palette: Palette, points: boolean): object {
  return {
    type: "line",
    name: trace.side,
    data: trace.x.map((at, i) => [at, trace.y[i] ?? null]),
    z: trace.side === "current" ? 4 : 3,
    symbol: points ? "circle" : "none",
    symbolSize: 6,
    lineStyle: { color: palette[trace.side], width: trace.side === "current" ? 2.25 : 1.75 },
    itemStyle: { color: palette[trace.side] },
    emphasis: { disabled: true },
  };
}

function axes({ x, y }: Curves, palette: Palette, font: string): object {
  const axisLabel = { color: palette.soft, fontSize: 11, fontFamily: font, hideOverlap: true };
  const nameTextStyle = { color: palette.soft, fontSize: 11.5, fontFamily: font };
  return {
    xAxis: {
      ...quiet,
      min: x.min,
      max: x.max,
      interval: x.step,
      name: x.title,
      nameLocation: "middle",
      nameGap: 28,
      nameTextStyle,
      axisLine: { show: true, onZero: false, lineStyle: { color: palette.line } },
      splitLine: { show: false },
      axisLabel: { ...axisLabel, formatter: x.show, alignMaxLabel: "right", showMaxLabel: true, showMinLabel: true },
    },
    yAxis: {
      ...quiet,
      min: y.min,
      max: y.max,
      interval: y.step,
      name: y.title,
      nameGap: 12,
      nameTextStyle: { ...nameTextStyle, align: "left", padding: [0, 0, 0, -40] },
      axisLine: { show: false },
      splitLine: { show: true, lineStyle: { color: palette.line } },
      axisLabel: { ...axisLabel, formatter: y.show },
    },
  };
}

export function curveOption(curves: Curves, palette: Palette, font: string): EChartsCoreOption {
  const { traces, places = [], chance } = curves;
  const guess = { color: palette.faint, width: 1, type: [3, 3] };
  const formatter = (shown: { seriesName?: string; seriesType?: string; dataIndex: number }[]) => {
    const box = document.createElement("div");
    for (const { seriesName, seriesType, dataIndex } of shown) {
      const trace = seriesType === "line" ? traces.find((t) => t.side === seriesName) : undefined;
      const [title = "", ...lines] = trace?.say(dataIndex) ?? [];
      if (trace) box.append(tipNode(`${trace.side}, ${title}`, lines));
    }
    return box;
  };
  return {
    animation: false,
    textStyle: { fontFamily: font },
    grid: { left: 46, right: 14, top: 30, bottom: 44 },
    ...axes(curves, palette, font),
    tooltip: {
      trigger: "axis",
      formatter,
      confine: true,
      transitionDuration: 0.1,
      backgroundColor: palette.card,
      borderColor: palette.line,
      textStyle: { color: palette.ink, fontSize: 12 },
      axisPointer: { type: "line", snap: false, label: { show: false }, lineStyle: { color: palette.soft, width: 1, type: "solid" } },
    },
    series: [
      ...(chance ? [{ type: "line", name: "chance", data: chance, symbol: "none", silent: true, lineStyle: guess, tooltip: { show: false } }] : []),
      ...places.map((place) => placeSeries(place, curves.y, palette)),
      ...traces.map((trace) => band(bandOf(trace), palette[trace.side], 0.16)),
      ...traces.map((trace) => lineSeries(trace, palette, curves.points ?? false)),
    ],
  };
}
