/** Which way is worse, and how far: the order in which things are shown. */
import type { Check, MetricRow, VerdictName } from "../view";

export const VERDICTS: VerdictName[] = ["critical", "warning", "ok", "not enough data"];

/** The side that was judged: the estimate, where the current rows have no labels. */
const judged = (row: MetricRow) => (row.current?.value == null && row.effect !== null ? row.estimated : row.current);

/** How far the metric moved, in its own direction: not as effects go, which are above 0 for the worse. */
export function changeOf(row: MetricRow): number | null {
  const [from, to] = [row.reference?.value, judged(row)?.value];
  return from == null || to == null ? null : to - from;
}

/** The interval of that change: the effect's, turned round where higher is better. */
export function changeSpan(row: MetricRow): [number, number] | null {
  const { effect_low: low, effect_high: high } = row;
  if (low === null || high === null || row.better === "near zero") return null; // there the effect is of distances from zero
  const turned = row.better === "higher" || (row.better === null && (judged(row)?.value ?? 0) < 0);
  return turned ? [-high, -low] : [low, high];
}

/** How much worse, in units of the metric: positive is worse. */
export function worsening(row: MetricRow): number | null {
  if (row.effect !== null) return row.effect;
  const change = changeOf(row);
  if (change === null) return null;
  return row.better === "higher" ? -change : change;
}

/** The effect in floors: 1 is the smallest that matters. A change for the better has none. */
export function floors(check: Check, value: number | null = check.effect): number | null {
  return value === null || !check.floor ? null : Math.max(0, value) / check.floor;
}

export function countVerdicts(checks: Check[]): Record<VerdictName, number> {
  const counts = { critical: 0, warning: 0, ok: 0, "not enough data": 0 };
  for (const { verdict } of checks) if (verdict !== null) counts[verdict] += 1;
  return counts;
}

/** A p value as people read it. */
export function pText(p: number | null): string {
  if (p === null) return "–";
  return p < 0.0001 ? "< 0.0001" : p.toPrecision(2);
}
