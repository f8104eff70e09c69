/** Columns of numbers as the points that the chart over time draws. */
import type { Estimate, MetricRow, TimePoint } from "../../view";
import type { Line, MetricLines, Windows } from "../documents";

export const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

export function estimateAt(line: Line | null | undefined, i: number): Estimate | undefined {
  const value = line?.value[i];
  if (!line || value == null) return undefined;
  return { value, low: line.low[i] ?? null, high: line.high[i] ?? null, n: line.n[i] ?? 0, coverage: null };
}

export type Shown = "both" | "realised" | "estimated";

export function pointsOf(windows: Windows, lines: MetricLines, side: TimePoint["side"], shown: Shown = "both"): TimePoint[] {
  return windows.start.map((start, i) => {
    const rows = windows.rows[i] ?? 0;
    const real = shown === "estimated" ? undefined : estimateAt(lines.realised, i);
    const both = shown === "both" ? estimateAt(lines.powered, i) : undefined;
    const guess = shown === "realised" ? undefined : estimateAt(lines.estimated, i);
    return {
      side,
      start: iso(start),
      end: iso(windows.end[i] ?? start),
      n: rows,
      coverage: rows ? (windows.labelled[i] ?? 0) / rows : null,
      metrics: real ? { [lines.metric]: real } : {},
      estimated: guess ? { [lines.metric]: guess } : {},
      ...(both && { powered: { [lines.metric]: both } }),
    };
  });
}

/** What the guide needs of a row: the reference as a whole, and what is too small to matter. */
export function rowOf(lines: MetricLines): MetricRow {
  const whole: Estimate | null =
    lines.reference === null ? null : { value: lines.reference, low: null, high: null, n: 0, coverage: null };
  return {
    verdict: null, words: "", effect: null, effect_low: null, effect_high: null, floor: lines.floor, p_value: null, alpha: null,
    detectable: null, metric: lines.metric, title: lines.title, unit: lines.unit === "sd" ? null : lines.unit, better: lines.better, reference: whole,
    current: null, estimated: null,
  }; // prettier-ignore
}
