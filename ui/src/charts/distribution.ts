/** The geometry of two distributions over the same bins. */
import type { Distribution } from "../view";

export interface Density {
  from: number;
  to: number;
  edges: number[];
  reference: number[];
  current: number[];
  top: number;
  beyond: { reference: number; current: number };
  ends: [number, number];
  shares: { reference: number[]; current: number[] };
}

const CUT = 0.005; // of either side's rows may lie beyond what is drawn, on each end

/** The first and last bin to draw: long tails would press everything else into one column. */
function keep(shares: number[][]): [number, number] {
  const bins = shares[0]?.length ?? 0;
  const outside = (side: number[], from: number, to: number) => side.slice(from, to).reduce((a, b) => a + b, 0) <= CUT;
  let [first, last] = [0, bins - 1];
  while (first < last && shares.every((side) => outside(side, 0, first + 1))) first += 1;
  while (last > first && shares.every((side) => outside(side, last, bins))) last -= 1;
  return [first, last];
}

/** Outermost bins that are longer than all others together are drawn only where they begin: their height tells their share. */
function within(edges: number[]): [number, number] {
  const [first, second, last, end] = [edges[0] ?? 0, edges[1] ?? 1, edges.at(-2) ?? 0, edges.at(-1) ?? 1];
  const inner = last - second;
  if (edges.length < 6 || inner <= 0) return [first, end];
  return [second - first > inner ? second - inner / 4 : first, end - last > inner ? last + inner / 4 : end];
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

export function densityOf(d: Extract<Distribution, { kind: "numeric" | "datetime" }>): Density | null {
  const all = d.kind === "datetime" ? d.edges.map((edge) => Date.parse(edge)) : d.edges;
  if (all.length < 2 || all.some((edge) => !Number.isFinite(edge))) return null;
  const [first, last] = keep([d.reference, d.current]);
  const edges = all.slice(first, last + 2);
  const ends: [number, number] = [edges[0] ?? 0, edges.at(-1) ?? 1];
  const [from, to] = within(edges);
  const least = (to - from) / 400 || 1; // a bin of one single value still needs a width to be seen
  const shares = { reference: d.reference.slice(first, last + 1), current: d.current.slice(first, last + 1) };
  const density = (side: number[]) =>
    side.map((share, i) => share / Math.max((edges[i + 1] ?? 0) - (edges[i] ?? 0), least));
  const [reference, current] = [density(shares.reference), density(shares.current)];
  const beyond = { reference: sum(d.reference) - sum(shares.reference), current: sum(d.current) - sum(shares.current) };
  return {
    from,
    to: to > from ? to : from + 1,
    ends,
    shares,
    edges,
    reference,
    current,
    top: Math.max(...reference, ...current, 0) || 1,
    beyond,
  };
}

/** A path of steps over the bins, in a box of the given size; closed along the bottom for an area. */
export function stepPath(
  d: Density,
  side: "reference" | "current",
  width: number,
  height: number,
  closed: boolean,
): string {
  const x = (edge: number) =>
    (((Math.min(d.to, Math.max(d.from, edge)) - d.from) / (d.to - d.from)) * width).toFixed(1);
  const y = (value: number) => (height - (value / d.top) * (height - 4)).toFixed(1);
  const steps = d[side].map((value, i) => `V${y(value)}H${x(d.edges[i + 1] ?? d.to)}`).join("");
  return `M0 ${height}${steps}V${height}${closed ? "Z" : ""}`;
}

export interface BarRow {
  value: string;
  reference: number;
  current: number;
  rest: boolean;
}

/** The most frequent values of either side, and everything else in one last row. */
export function barsOf(d: Extract<Distribution, { kind: "categorical" }>, most: number): BarRow[] {
  const all = d.values.map((value, i) => ({
    value,
    reference: d.reference[i] ?? 0,
    current: d.current[i] ?? 0,
    rest: false,
  }));
  const other = d.other ?? [0, 0];
  const room = all.length <= most && !d.other ? most : most - 1;
  const sorted = all.toSorted((a, b) => Math.max(b.reference, b.current) - Math.max(a.reference, a.current));
  const [shown, left] = [sorted.slice(0, room), sorted.slice(room)];
  if (!left.length && !d.other) return shown;
  const name = left.length ? `${left.length}${d.other ? "+" : ""} others` : "others";
  const rest = {
    value: name,
    reference: other[0] + sum(left.map((r) => r.reference)),
    current: other[1] + sum(left.map((r) => r.current)),
    rest: true,
  };
  return [...shown, rest];
}
