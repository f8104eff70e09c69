/** What is drawn over time: a line with its band for each side, the estimate dashed, the rows as bars. */
import type { Estimate, TimePoint } from "../view";
import { wall } from "../base/time";
import { middle, type Drawn } from "./timescale";

export type Side = TimePoint["side"];
type Pair = [number, number | null];
export const SIDES: Side[] = ["reference", "current"];

/** Runs of neighbouring points that have an interval: a gap in the data stays a gap in the band. */
function runs(
  points: TimePoint[],
  pick: (p: TimePoint) => Estimate | undefined,
  drawn: Drawn,
): [number, number, number][][] {
  const found: [number, number, number][][] = [[]];
  for (const p of points) {
    const e = pick(p);
    if (e?.low != null && e.high != null) found.at(-1)?.push([middle(p, drawn), e.low, e.high]);
    else found.push([]);
  }
  return found.filter((run) => run.length > 0);
}

export interface Api {
  coord: (at: [number, number]) => [number, number];
}

export function band(data: [number, number, number][][], colour: string, opacity: number): object {
  const renderItem = (params: { dataIndex: number }, api: Api) => {
    const run = data[params.dataIndex] ?? [];
    const upper = run.map(([x, , high]) => api.coord([x, high]));
    const lower = run.map(([x, low]) => api.coord([x, low])).reverse();
    return { type: "polygon", shape: { points: [...upper, ...lower] }, style: { fill: colour, opacity } };
  };
  const ends = data.map((run) => [run[0]?.[0], run[0]?.[1]]);
  return { type: "custom", renderItem, data: ends, clip: true, silent: true, z: 1, tooltip: { show: false } };
}

function line(data: Pair[], colour: string, dashed: boolean): object {
  return {
    type: "line",
    data,
    z: dashed ? 2 : 3,
    connectNulls: false,
    symbol: dashed ? "none" : "circle",
    symbolSize: data.length > 120 ? 0 : 4,
    showAllSymbol: true,
    lineStyle: { color: colour, width: dashed ? 1.5 : 2, type: dashed ? [4, 3] : "solid" },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  };
}

/** What labels and scores together say: points only, since windows differ in how many labels they have. */
function powered(data: Pair[], colour: string): object[] {
  if (!data.some(([, value]) => value !== null)) return [];
  const symbols = { symbol: "diamond", symbolSize: 7, showAllSymbol: true };
  return [{ type: "line", data, z: 4, ...symbols, lineStyle: { opacity: 0 }, itemStyle: { color: colour }, emphasis: { disabled: true } }];
}

export function sideSeries(input: Drawn, side: Side): object[] {
  const { metric, palette } = input;
  const points = input.points.filter((p) => p.side === side);
  const values = (pick: (p: TimePoint) => Estimate | undefined): Pair[] =>
    points.map((p) => [middle(p, input), pick(p)?.value ?? null]);
  const colour = palette[side];
  return [
    band(
      runs(points, (p) => p.metrics[metric], input),
      colour,
      0.2,
    ),
    line(
      values((p) => p.estimated[metric]),
      palette.estimate,
      true,
    ),
    line(
      values((p) => p.metrics[metric]),
      colour,
      false,
    ),
    ...powered(
      values((p) => p.powered?.[metric]),
      palette.estimate,
    ),
  ];
}

/** Rows with labels in the side's colour, rows still waiting for theirs pale above them. */
export function volumeSeries(input: Drawn, side: Side): object[] {
  const points = input.points.filter((p) => p.side === side);
  const at = (p: TimePoint, n: number): [number, number] => [middle(p, input), n];
  const bar = (data: [number, number][], opacity: number) => ({
    type: "bar",
    stack: `n ${side}`,
    data,
    xAxisIndex: 1,
    yAxisIndex: 1,
    barWidth: points.length > 1 ? "70%" : 12,
    barGap: "-100%",
    itemStyle: { color: input.palette[side], opacity },
    silent: true,
    emphasis: { disabled: true },
  });
  if (!points.length) return [];
  return [
    bar(
      points.map((p) => at(p, p.n * (p.coverage ?? 0))),
      0.75,
    ),
    bar(
      points.map((p) => at(p, p.n * (1 - (p.coverage ?? 0)))),
      0.25,
    ),
  ];
}

/** Stretches over which windows were held against the same reference: from, to, value. */
function stretches({ row, references, points, x, clock, unit, origin }: Drawn): [number, number, number][] {
  const whole = row?.reference?.value;
  if (!references) return whole == null ? [] : [[x[0], x[1], whole]];
  const found: [number, number, number][] = [];
  points
    .filter((p) => p.side === "current")
    .forEach((p, i) => {
      const value = references[i];
      const [from, to] = [p.start, p.end].map((at) => (wall(at, clock) - origin) / unit) as [number, number];
      const last = found.at(-1);
      if (value == null) return;
      if (last?.[2] === value) last[1] = to;
      else found.push([from, to, value]);
    });
  return found;
}

/** The reference, a step for each that windows were held against, and around it what is too small to matter. */
export function guide(input: Drawn): object[] {
  const { row, palette } = input;
  const found = stretches(input);
  if (!found.length) return [];
  const renderItem = (params: { dataIndex: number }, api: Api) => {
    const [from, to, value] = found[params.dataIndex] ?? [0, 0, 0];
    const [[x1, y1], [x2]] = [api.coord([from, value]), api.coord([to, value])];
    return {
      type: "line",
      shape: { x1, y1, x2, y2: y1 },
      style: { stroke: palette.reference, lineDash: [2, 3], lineWidth: 1 },
    };
  };
  const data = found.map(([from, , value]) => [from, value]);
  const dotted = { type: "custom", renderItem, data, clip: true, silent: true, z: 1, tooltip: { show: false } };
  const floor = row?.floor;
  if (floor == null) return [dotted];
  const bands = found.map(([from, to, value]) => [from, to].map((at): [number, number, number] => [at, value - floor, value + floor]));
  return [band(bands, palette.reference, 0.1), dotted];
}

export const allSeries = (input: Drawn): object[] => [
  ...guide(input),
  ...SIDES.flatMap((side) => sideSeries(input, side)),
  ...SIDES.flatMap((side) => volumeSeries(input, side)),
];
