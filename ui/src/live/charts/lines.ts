/** The option of a live chart over time: the report's lines and bands, with what only a live page knows beside them. */
import type { EChartsCoreOption } from "echarts/core";
import { extent } from "../../base/extent";
import { count, fixed } from "../../base/format";
import { dayText, momentText, wall } from "../../base/time";
import { tooltip } from "../../charts/timeline";
import { HOUR, decimalsOf, middle, place, type Drawn, type TimeInput } from "../../charts/timescale";
import { SIDES, guide, sideSeries, volumeSeries, type Api } from "../../charts/timeseries";
import type { TimePoint } from "../../view";
import type { Line, TimeMark, Windows } from "../documents";
import { iso } from "./points";

export interface LiveInput extends TimeInput {
  windows: Windows;
  realised: Line | null;
  marks: TimeMark[];
  height: number;
  volume: boolean;
  slider: boolean;
  touch: boolean;
  narrow: boolean;
  served: boolean;
}

const SIDEWAYS = { left: 52, right: 14 };
const TOP = 18;
const AXIS = 24;

const at = (seconds: number, { clock, unit, origin }: Drawn) => (wall(iso(seconds), clock) - origin) / unit;

/** Windows without a value stand on grey: nothing is known there, which is not the same as nothing wrong. */
function unknown(input: Drawn & LiveInput): object {
  const blank = input.points.filter((p) => p.side === "current" && !p.metrics[input.metric] && !p.estimated[input.metric]);
  const spans = blank.map((p): [number, number] => [at(Date.parse(p.start) / 1000, input), at(Date.parse(p.end) / 1000, input)]);
  const renderItem = (params: { dataIndex: number; coordSys: { y: number; height: number } }, api: Api) => {
    const [from, to] = spans[params.dataIndex] ?? [0, 0];
    const [[x1], [x2]] = [api.coord([from, input.y[0]]), api.coord([to, input.y[0]])];
    return {
      type: "rect",
      shape: { x: x1, y: params.coordSys.y, width: Math.max(x2 - x1, 1), height: params.coordSys.height },
      style: { fill: input.palette.unknown, opacity: 0.13 },
    };
  };
  return { type: "custom", renderItem, data: spans, clip: true, silent: true, z: 0, tooltip: { show: false } };
}

/** What a window's value was when it was sealed, where labels have moved it since: a hollow point, and the way from it. */
function restated(input: Drawn & LiveInput): object {
  const found = input.points
    .filter((p) => p.side === "current")
    .flatMap((p, i): [number, number, number][] => {
      const [sealed, now] = [input.realised?.sealed?.[i], p.metrics[input.metric]?.value];
      const far = sealed != null && now != null && Math.abs(sealed - now) > Math.abs(now) * 1e-4 + 1e-9;
      return far ? [[middle(p, input), sealed, now]] : [];
    });
  const renderItem = (params: { dataIndex: number }, api: Api) => {
    const [x, sealed, now] = found[params.dataIndex] ?? [0, 0, 0];
    const [[px, from], [, to]] = [api.coord([x, sealed]), api.coord([x, now])];
    const stroke = input.palette.faint;
    return {
      type: "group",
      children: [
        { type: "line", shape: { x1: px, y1: from, x2: px, y2: to }, style: { stroke, lineWidth: 1 } },
        { type: "circle", shape: { cx: px, cy: from, r: 2.5 }, style: { stroke, fill: input.palette.card, lineWidth: 1.2 } },
      ],
    };
  };
  return { type: "custom", renderItem, data: found, clip: true, silent: true, z: 2, tooltip: { show: false } };
}

/** Arrows at the rim for values that lie beyond it, with the largest of them in words. */
function beyond(input: Drawn & LiveInput): object {
  const [low, high] = input.y;
  const found = input.points.flatMap((p): [number, number][] => {
    const value = p.metrics[input.metric]?.value;
    return value != null && (value > high || value < low) ? [[middle(p, input), value]] : [];
  });
  const furthest = extent(found.map(([, value]) => Math.abs(value)))?.[1];
  const renderItem = (params: { dataIndex: number; coordSys: { y: number; height: number } }, api: Api) => {
    const [at, value] = found[params.dataIndex] ?? [0, 0];
    const up = value > high;
    const { y, height } = params.coordSys;
    const [[x]] = [api.coord([at, high])];
    const rim = up ? y : y + height;
    const points = [[x - 4, rim + (up ? 6 : -6)], [x + 4, rim + (up ? 6 : -6)], [x, rim]];
    const text = Math.abs(value) === furthest ? fixed(value, input.decimals, input.row?.unit) : "";
    return {
      type: "group",
      children: [
        { type: "polygon", shape: { points }, style: { fill: input.palette.current } },
        { type: "text", style: { text, x: x + 7, y: up ? rim + 1 : rim - 12, fill: input.palette.soft, fontSize: 11 } },
      ],
    };
  };
  return { type: "custom", renderItem, data: found.map(([at]) => [at, high]), silent: true, z: 4, tooltip: { show: false } };
}

function marksOf(input: Drawn & LiveInput): object {
  const { marks, palette } = input;
  const renderItem = (params: { dataIndex: number; coordSys: { y: number; height: number } }, api: Api) => {
    const mark = marks[params.dataIndex];
    if (!mark) return null;
    const colour = mark.severity ? palette[mark.severity] : palette.soft;
    const [x] = api.coord([at(mark.at, input), input.y[0]]);
    const { y, height } = params.coordSys;
    const flag = mark.kind === "incident" ? [[0, -12], [6, -6], [0, 0], [-6, -6]] : [[-5, -11], [5, -11], [0, -2]];
    return {
      type: "group",
      children: [
        {
          type: "line",
          shape: { x1: x, y1: y, x2: x, y2: y + height },
          style: { stroke: colour, lineWidth: 1, lineDash: mark.kind === "version" ? [3, 3] : undefined, opacity: 0.8 },
        },
        { type: "polygon", shape: { points: flag.map(([dx, dy]) => [x + (dx ?? 0), y + (dy ?? 0)]) }, style: { fill: colour } },
      ],
    };
  };
  return { type: "custom", renderItem, data: marks.map((m) => [at(m.at, input), input.y[0]]), silent: true, z: 4, tooltip: { show: false } };
}

function said(p: TimePoint, input: LiveInput): string[] {
  const [start, end] = [Date.parse(p.start) / 1000, Date.parse(p.end) / 1000];
  const i = input.windows.start.indexOf(start);
  const here = input.marks.filter((m) => m.at >= start && m.at < end).map((m) => (m.kind === "incident" ? `incident ${m.id}: ${m.text}` : m.text));
  if (p.side !== "current" || i < 0) return here;
  const sealed = input.realised?.sealed?.[i];
  const now = p.metrics[input.metric]?.value;
  const moved = sealed != null && now != null && Math.abs(sealed - now) > Math.abs(now) * 1e-4 + 1e-9;
  const version = input.windows.versions[input.windows.version[i] ?? -1];
  const reference = input.references?.[i];
  return [
    ...(input.served && input.windows.served?.[i] === 0 ? [`version ${version}, which was not set to serve`] : []),
    ...(reference == null ? [] : [`held against ${fixed(reference, input.decimals, input.row?.unit)}`]),
    ...(moved ? [`when sealed ${fixed(sealed, input.decimals, input.row?.unit)}`] : []),
    ...(input.windows.sealed[i] ? [] : ["not sealed yet: more may come"]),
    ...here,
  ];
}

function axes(input: Drawn & LiveInput, font: string): object {
  const { palette, unit, origin, x: [min, max], y, step } = input; // prettier-ignore
  const label = { color: palette.soft, fontSize: 11, fontFamily: font };
  const quiet = { type: "value", axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false } };
  const decimals = decimalsOf(step);
  const most = Math.max(extent(input.points.map((p) => p.n))?.[1] ?? 1, 1);
  const moment = (x: number) => (unit === HOUR ? momentText(x * unit + origin).replace(/ \d{4}/, "") : dayText(x * unit + origin, false));
  const told = {
    axisLine: { show: true, onZero: false, lineStyle: { color: palette.line } },
    axisLabel: { ...label, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right", formatter: moment },
  };
  const x = { ...quiet, min, max, minInterval: 1, splitNumber: 7 };
  return {
    xAxis: [
      { ...x, gridIndex: 0, ...(input.volume ? { axisLabel: { show: false } } : told) },
      ...(input.volume ? [{ ...x, gridIndex: 1, ...told }] : []),
    ],
    yAxis: [
      {
        ...quiet, gridIndex: 0, min: y[0], max: y[1], interval: step,
        splitLine: { show: true, lineStyle: { color: palette.line } },
        axisLabel: { ...label, formatter: (n: number) => fixed(n, decimals, input.row?.unit === "share" ? "share" : null) },
      },
      ...(input.volume
        ? [{ ...quiet, gridIndex: 1, min: 0, max: most, interval: most, axisLabel: { ...label, showMinLabel: false, formatter: (n: number) => count(n) } }]
        : []),
    ],
  }; // prettier-ignore
}

function zoom({ palette, slider, volume, touch }: LiveInput): object[] {
  const both = { xAxisIndex: volume ? [0, 1] : [0], filterMode: "none" };
  const unseen = { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } };
  const shape = {
    type: "slider", ...both, ...SIDEWAYS, bottom: 4, height: 12, showDetail: false, borderColor: palette.line, borderRadius: 6,
    backgroundColor: "transparent", fillerColor: palette.line, handleSize: 18, handleStyle: { color: palette.card, borderColor: palette.faint },
    moveHandleSize: 0, brushSelect: false, dataBackground: unseen, selectedDataBackground: unseen,
  }; // prettier-ignore
  // Under a finger a chart must let the page scroll; there the slider alone zooms.
  const inside = { type: "inside", ...both, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, disabled: touch };
  return slider ? [inside, shape] : [inside];
}

export interface Made {
  option: EChartsCoreOption;
  middles: number[];
  spoken: string[];
}

export function linesOption(given: LiveInput, font: string): Made {
  const drawn = place(given);
  const input = { ...given, ...drawn };
  const foot = AXIS + (given.slider ? 18 : 0);
  const rows = given.volume ? 40 : 0;
  const main = given.height - TOP - foot - rows - (rows ? 16 : 0);
  const option = {
    animation: false,
    textStyle: { fontFamily: font },
    grid: [
      { ...SIDEWAYS, top: TOP, height: main },
      ...(rows ? [{ ...SIDEWAYS, top: TOP + main + 16, height: rows }] : []),
    ],
    ...axes(input, font),
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    dataZoom: zoom(input),
    tooltip: tooltip(drawn, (p) => said(p, given)),
    series: [
      unknown(input),
      ...guide(drawn),
      ...SIDES.flatMap((side) => sideSeries(drawn, side)).map((one) => (given.narrow && !("symbol" in one && one.symbol === "diamond") ? { ...one, symbol: "none" } : one)),
      restated(input),
      marksOf(input),
      ...(given.cut ? [beyond(input)] : []),
      ...(rows ? volumeSeries(drawn, "current") : []),
    ],
  };
  const own = given.points.filter((p) => p.side === "current");
  return { option, middles: own.map((p) => middle(p, drawn)), spoken: own.map((p) => said(p, given).join(". ")) };
}
