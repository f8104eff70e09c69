/** A metric's row in words: for tooltips, for screen readers, for CSV. */
import type { Estimate, MetricRow } from "../view";
import { changeOf, changeSpan } from "./judge";
import { count, fixed, interval, percent, sharedDecimals, signed } from "./format";
import type { Cell } from "./save";

export const decimalsOf = (row: MetricRow) => sharedDecimals([row.reference, row.current, row.estimated]);

export function estimateText(e: Estimate | null, decimals: number, unit: string | null): string {
  if (e?.value == null) return "not enough data";
  const span = interval(e.low, e.high, decimals, unit);
  return fixed(e.value, decimals, unit) + (span && ` (${e.approximate ? "about " : ""}${span})`);
}

function line(name: string, e: Estimate | null, row: MetricRow): string {
  if (e === null) return "";
  const covered = e.coverage === null ? "" : `, labels for ${percent(e.coverage, 0)}`;
  return `\n${name} ${estimateText(e, decimalsOf(row), row.unit)}, n = ${count(e.n)}${covered}`;
}

export function rowTip(row: MetricRow, title = row.title): string {
  return (
    title +
    line("reference", row.reference, row) +
    line("current", row.current, row) +
    line("estimated", row.estimated, row)
  );
}

export interface ChangeText {
  change: string;
  span: string;
}

export function changeText(row: MetricRow, decimals = decimalsOf(row)): ChangeText {
  const change = changeOf(row);
  const limits = changeSpan(row);
  if (change === null) return { change: "–", span: "" };
  const inner = row.unit === "share" ? row.unit : null;
  const span = limits ? `${signed(limits[0], decimals, inner)} to ${signed(limits[1], decimals, row.unit)}` : "";
  return { change: signed(change, decimals, row.unit), span };
}

const CELLS = (side: string) => ["", "_low", "_high", "_n"].map((end) => side + end);
export const METRIC_HEADER = [
  "metric",
  ...CELLS("reference"),
  ...CELLS("current"),
  ...CELLS("estimated"),
  "effect",
  "effect_low",
  "effect_high",
  "floor",
  "p_value",
  "alpha",
  "detectable",
  "verdict",
  "words",
];

const cells = (e: Estimate | null): Cell[] => (e ? [e.value, e.low, e.high, e.n] : [null, null, null, null]);

export function metricCells(row: MetricRow): Cell[] {
  return [
    row.metric,
    ...cells(row.reference),
    ...cells(row.current),
    ...cells(row.estimated),
    row.effect,
    row.effect_low,
    row.effect_high,
    row.floor,
    row.p_value,
    row.alpha,
    row.detectable,
    row.verdict,
    row.words,
  ];
}
