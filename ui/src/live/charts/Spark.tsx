/** A line of a few centimetres with its interval; dotted, where the reference stood. */
import { extent } from "../../base/extent";
import type { Line, Num, References } from "../documents";

const [WIDE, HIGH, AIR] = [240, 36, 4];

/** Stretches of windows that were held against the same reference: first, last, value. */
function steps(n: number, reference: Num, references: Num[] | null | undefined): [number, number, number][] {
  if (!references) return reference === null ? [] : [[0, n - 1, reference]];
  const found: [number, number, number][] = [];
  references.forEach((value, i) => {
    const last = found.at(-1);
    if (value === null) return;
    if (last?.[2] === value) last[1] = i;
    else found.push([i, i, value]);
  });
  return found;
}

export function Spark({ line, reference, references, dashed = false, label }: { line: Line; dashed?: boolean; label: string } & References) {
  const n = line.value.length;
  const values = [...line.value, ...line.low, ...line.high, ...(references ?? [reference])].filter((v) => v !== null);
  const [low, high] = extent(values) ?? [0, 1];
  const x = (i: number) => (n < 2 ? WIDE / 2 : AIR + (i / (n - 1)) * (WIDE - 2 * AIR));
  const y = (v: number) => HIGH - AIR - ((v - low) / (high - low || 1)) * (HIGH - 2 * AIR);
  const at = (column: Num[], i: number) => (column[i] == null ? null : `${x(i).toFixed(1)} ${y(column[i]).toFixed(1)}`);
  const runs: number[][] = [[]];
  line.value.forEach((v, i) => (v === null ? runs.push([]) : runs.at(-1)?.push(i)));
  const drawn = runs.filter((run) => run.length > 0);
  const last = drawn.at(-1)?.at(-1);
  const path = (run: number[]) => `M${run.map((i) => at(line.value, i)).join("L")}`;
  const bands = drawn.map((run) => run.filter((i) => line.low[i] != null && line.high[i] != null)).filter((run) => run.length > 1);
  return (
    <svg className="spark" viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {steps(n, reference, references).map(([from, to, value]) => (
        <line key={from} x1={from ? x(from - 0.5) : 0} x2={to === n - 1 ? WIDE : x(to + 0.5)} y1={y(value)} y2={y(value)} stroke="var(--reference)" strokeDasharray="2 3" vectorEffect="non-scaling-stroke" />
      ))}
      {bands.map((run) => (
        <path
          key={run[0]}
          d={`M${run.map((i) => at(line.high, i)).join("L")}L${run.toReversed().map((i) => at(line.low, i)).join("L")}Z`}
          fill={dashed ? "var(--estimate)" : "var(--current)"}
          opacity="0.18"
        />
      ))}
      {drawn.map((run) => (
        <path
          key={run[0]}
          d={path(run)}
          fill="none"
          stroke={dashed ? "var(--estimate)" : "var(--current)"}
          strokeWidth="1.5"
          strokeDasharray={dashed ? "4 3" : undefined}
          strokeLinejoin="round"
          vectorEffect="non-scaling-stroke"
        />
      ))}
      {last !== undefined && (
        <line
          x1={x(last)}
          x2={x(last)}
          y1={y(line.value[last] ?? 0)}
          y2={y(line.value[last] ?? 0)}
          stroke={dashed ? "var(--estimate)" : "var(--current)"}
          strokeWidth="5"
          strokeLinecap="round"
          vectorEffect="non-scaling-stroke"
        />
      )}
    </svg>
  );
}

export function Bars({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(...values, 1);
  const wide = WIDE / Math.max(values.length, 1);
  return (
    <svg className="bars" viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((v, i) => (
        <rect key={i} x={i * wide + wide * 0.15} width={wide * 0.7} y={HIGH - (v / most) * (HIGH - 2)} height={(v / most) * (HIGH - 2)} fill="var(--reference)" opacity="0.55" />
      ))}
    </svg>
  );
}
