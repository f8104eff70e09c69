/** The option of the chart over time: its axes, zoom and tooltip around the series. */
import type { EChartsCoreOption } from "echarts/core";
import { extent } from "../base/extent";
import { count, fixed, interval, percent } from "../base/format";
import { dayText, momentText, windowText } from "../base/time";
import type { Estimate, TimePoint } from "../view";
import { tipNode } from "./EChart";
import { allSeries } from "./timeseries";
import { HOUR, decimalsOf, gaps, middle, place, type Drawn, type TimeInput } from "./timescale";

export function lines(p: TimePoint, input: TimeInput): string[] {
  const say = (name: string, e: Estimate | undefined) => {
    if (e?.value == null) return [`${name}: not enough data`];
    return [
      `${name} ${fixed(e.value, input.decimals, input.row?.unit)} (${interval(e.low, e.high, input.decimals, input.row?.unit)}), n = ${count(e.n)}`,
    ];
  };
  const guess = p.estimated[input.metric] ? say("estimated", p.estimated[input.metric]) : [];
  const powered = p.powered?.[input.metric] ? say("prediction-powered", p.powered[input.metric]) : [];
  return [
    ...say("realised", p.metrics[input.metric]),
    ...guess,
    ...powered,
    `${count(p.n)} rows, labels for ${percent(p.coverage, 0)}`,
  ];
}

export function tooltip(input: Drawn, more: (p: TimePoint) => string[] = () => []): object {
  const { palette } = input;
  const formatter = (shown: { axisValue?: number }[]) => {
    const at = shown[0]?.axisValue ?? NaN;
    const near = extent(input.points.map((p) => Math.abs(middle(p, input) - at)))?.[0];
    const box = document.createElement("div");
    for (const p of input.points)
      if (Math.abs(middle(p, input) - at) === near)
        box.append(tipNode(`${windowText(p.start, p.end, input.clock)}, ${input.names?.[p.side] ?? p.side}`, [
            ...lines(p, input),
            ...more(p),
          ]));
    return box;
  };
  return {
    trigger: "axis",
    formatter,
    confine: true,
    transitionDuration: 0.1,
    backgroundColor: palette.card,
    borderColor: palette.line,
    textStyle: { color: palette.ink, fontSize: 12 },
    axisPointer: { type: "line", lineStyle: { color: palette.soft, width: 1, type: "solid" } },
  };
}

export const HEIGHT = 388;
const SIDEWAYS = { left: 52, right: 12 };

function axes(input: Drawn, font: string): object {
  const {
    palette,
    unit,
    origin,
    x: [min, max],
    y,
    step,
  } = input;
  const label = { color: palette.soft, fontSize: 11, fontFamily: font };
  const quiet = { type: "value", axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false } };
  const breaks = gaps(input).map(([start, end]) => ({ start, end, gap: "3%" }));
  const breakArea = { itemStyle: { color: palette.paper, borderColor: palette.line, opacity: 1 }, zigzagAmplitude: 3 };
  const x = { ...quiet, min, max, minInterval: 1, splitNumber: breaks.length ? 16 : 8, breaks, breakArea };
  const decimals = decimalsOf(step);
  const most = Math.max(extent(input.points.map((p) => p.n))?.[1] ?? 1, 1);
  const moment = (at: number) =>
    unit === HOUR ? momentText(at * unit + origin).replace(/ \d{4}/, "") : dayText(at * unit + origin, false);
  return {
    xAxis: [
      { ...x, gridIndex: 0, axisLabel: { show: false } },
      {
        ...x,
        gridIndex: 1,
        axisLine: { show: true, onZero: false, lineStyle: { color: palette.line } },
        axisLabel: { ...label, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right", formatter: moment },
      },
    ],
    yAxis: [
      {
        ...quiet,
        gridIndex: 0,
        min: y[0],
        max: y[1],
        interval: step,
        splitLine: { show: true, lineStyle: { color: palette.line } },
        axisLabel: {
          ...label,
          formatter: (n: number) => fixed(n, decimals, input.row?.unit === "share" ? "share" : null),
        },
      },
      {
        ...quiet,
        gridIndex: 1,
        min: 0,
        max: most,
        interval: most,
        axisLabel: { ...label, showMinLabel: false, formatter: (n: number) => count(n) },
      },
    ],
  };
}

function zoom({ palette }: Drawn): object[] {
  const both = { xAxisIndex: [0, 1], filterMode: "none" };
  const unseen = { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } };
  return [
    { type: "inside", ...both, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false }, // the bare wheel scrolls the page
    {
      type: "slider",
      ...both,
      ...SIDEWAYS,
      bottom: 6,
      height: 12,
      showDetail: false,
      borderColor: palette.line,
      borderRadius: 6,
      backgroundColor: "transparent",
      fillerColor: palette.line,
      handleSize: 18,
      handleStyle: { color: palette.card, borderColor: palette.faint },
      moveHandleSize: 0,
      brushSelect: false,
      dataBackground: unseen,
      selectedDataBackground: unseen,
    },
  ];
}

export function timeOption(given: TimeInput, font: string): EChartsCoreOption {
  const input = place(given);
  return {
    animation: false,
    textStyle: { fontFamily: font },
    grid: [
      { ...SIDEWAYS, top: 10, height: 250 },
      { ...SIDEWAYS, top: 284, height: 44 },
    ],
    ...axes(input, font),
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    dataZoom: zoom(input),
    tooltip: tooltip(input),
    series: allSeries(input),
  };
}
