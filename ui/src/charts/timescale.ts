/** Where things stand in the chart over time: both axes in round units, and the middle of each window. */
import { extent } from "../base/extent";
import type { Palette } from "../base/theme";
import { wall, type Clock } from "../base/time";
import type { MetricRow, TimePoint } from "../view";

export interface TimeInput {
  points: TimePoint[];
  metric: string;
  row: MetricRow | null;
  clock: Clock;
  palette: Palette;
  decimals: number;
  names?: Record<TimePoint["side"], string>; // what the sides are called; by themselves where absent
  cut?: boolean; // values far beyond the others are cut off, and said to be
  references?: (number | null)[] | null; // what each current point was held against, where that differs
}

/** x counts units from the origin, a midnight, so that ticks fall on the first day and on round steps after it. */
export interface Drawn extends TimeInput {
  unit: number;
  origin: number;
  x: [number, number];
  y: [number, number];
  step: number;
}
export const middle = (p: TimePoint, { clock, unit, origin }: Drawn) =>
  ((wall(p.start, clock) + wall(p.end, clock)) / 2 - origin) / unit;

export const HOUR = 3_600_000;

/** Axes count in days, or in hours when there are few days: round numbers of these are where people expect ticks. */
function across({ points, clock }: TimeInput): Pick<Drawn, "unit" | "origin" | "x"> {
  const ends = points.flatMap((p) => [wall(p.start, clock), wall(p.end, clock)]);
  const [first, last] = extent(ends) ?? [0, HOUR];
  const unit = last - first > 96 * HOUR ? 24 * HOUR : HOUR;
  const origin = Math.floor(first / (24 * HOUR)) * 24 * HOUR;
  return { unit, origin, x: [(first - origin) / unit, (last - origin) / unit] };
}

const MANY = 12;
const FAR = 5;

/** The least and greatest, without what lies far beyond 95 % of many: one of ninety days must not flatten the others. */
export function usual(values: number[]): [number, number] | null {
  const whole = extent(values);
  if (!whole || values.length < MANY) return whole;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(0.05), at(0.95)];
  const room = (high - low || Math.abs(high)) * FAR;
  return [whole[0] < low - room ? low : whole[0], whole[1] > high + room ? high : whole[1]];
}

/** Bounds at round numbers around everything drawn, and the step between them; intervals, and values where asked, but for the outermost. */
function bounds({ points, metric, row, references, cut }: TimeInput): { y: [number, number]; step: number } {
  const estimates = points.flatMap((p) => [p.metrics[metric], p.estimated[metric]]);
  const known = (of: (number | null | undefined)[]) => of.filter((v) => v != null);
  const values = known(estimates.map((e) => e?.value));
  const ends = [...(usual(known(estimates.map((e) => e?.low))) ?? []), ...(usual(known(estimates.map((e) => e?.high))) ?? [])];
  const found = extent([...((cut ? usual(values) : extent(values)) ?? []), ...ends, ...known([...(references ?? []), row?.reference?.value])]);
  if (!found) return { y: [0, 1], step: 0.25 };
  const [low, high] = found;
  const rough = (high - low) / 4 || Math.abs(high) / 4 || 0.25;
  const base = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * base).find((s) => s >= rough) ?? rough;
  const y: [number, number] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  return { y: y[0] < y[1] ? y : [low - step, low + step], step };
}

/** So many decimals as a step on an axis needs. */
export const decimalsOf = (step: number): number => [0, 1, 2, 3, 4, 5, 6, 7, 8].find((d) => Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6) ?? 8;

export const place = (input: TimeInput): Drawn => ({ ...input, ...across(input), ...bounds(input) });

/** Stretches without windows that would take more than a fifth of the width: from, to, in units of x. */
export function gaps(input: Drawn): [number, number][] {
  const { points, clock, unit, origin } = input;
  const at = (moment: string) => (wall(moment, clock) - origin) / unit;
  const windows = points.map((p): [number, number] => [at(p.start), at(p.end)]).toSorted((a, b) => a[0] - b[0]);
  const least = (input.x[1] - input.x[0]) / 5;
  return windows.slice(1).flatMap(([start], i): [number, number][] => {
    const end = windows[i]?.[1] ?? start;
    return start - end > least ? [[end + 1, start - 1]] : [];
  });
}
