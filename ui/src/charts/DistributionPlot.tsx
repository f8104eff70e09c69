/** Reference and current distribution of one column: density steps for numbers and times, paired bars for categories. */
import type { Ref } from "react";
import { percent, short } from "../base/format";
import { dayText } from "../base/time";
import type { Distribution } from "../view";
import { barsOf, densityOf, stepPath, type Density } from "./distribution";

export const PLOT_HEIGHT = 150;
const AREA = 126;
const WIDE = 1000;

function Hits({ density, show }: { density: Density; show: (edge: number) => string }) {
  const x = (edge: number) =>
    ((Math.min(density.to, Math.max(density.from, edge)) - density.from) / (density.to - density.from)) * WIDE;
  return density.reference.map((_, i) => {
    const [a, b] = [density.edges[i] ?? 0, density.edges[i + 1] ?? 0];
    const tip = `${show(a)} to ${show(b)}\nreference ${percent(density.shares.reference[i] ?? 0, 2)}\ncurrent ${percent(density.shares.current[i] ?? 0, 2)}`;
    return <rect key={i} x={x(a)} width={Math.max(x(b) - x(a), 2)} height={AREA} fill="transparent" data-tip={tip} />;
  });
}

/** What the drawing leaves out is said in it. */
function Beyond({ density: { beyond } }: { density: Density }) {
  if (Math.max(beyond.reference, beyond.current) < 0.0005) return null;
  return (
    <text x="100%" y="11" textAnchor="end" fontSize="10.5" fill="var(--faint)">
      beyond: {percent(beyond.reference)} → {percent(beyond.current)}
    </text>
  );
}

function Steps({ distribution }: { distribution: Extract<Distribution, { kind: "numeric" | "datetime" }> }) {
  const density = densityOf(distribution);
  if (!density)
    return (
      <text x="50%" y="50%" textAnchor="middle" fontSize="12" fill="var(--soft)">
        not enough data
      </text>
    );
  const show = (edge: number) => (distribution.kind === "datetime" ? dayText(edge, false) : short(edge, 3));
  const middle = (density.from + density.to) / 2;
  return (
    <>
      <svg x="0" y="0" width="100%" height={AREA} viewBox={`0 0 ${WIDE} ${AREA}`} preserveAspectRatio="none">
        <path d={stepPath(density, "reference", WIDE, AREA, true)} fill="var(--reference)" opacity="0.28" />
        <path d={stepPath(density, "current", WIDE, AREA, true)} fill="var(--current)" opacity="0.2" />
        <path
          d={stepPath(density, "reference", WIDE, AREA, false)}
          fill="none"
          stroke="var(--reference)"
          strokeWidth="1.25"
          vectorEffect="non-scaling-stroke"
        />
        <path
          d={stepPath(density, "current", WIDE, AREA, false)}
          fill="none"
          stroke="var(--current)"
          strokeWidth="1.5"
          vectorEffect="non-scaling-stroke"
        />
        <Hits density={density} show={show} />
      </svg>
      <Beyond density={density} />
      <line x1="0" x2="100%" y1={AREA + 0.5} y2={AREA + 0.5} stroke="var(--line)" />
      <g fontSize="11" fill="var(--soft)">
        <text x="0" y={AREA + 16}>
          {density.ends[0] < density.from ? `${show(density.ends[0])} ←` : show(density.from)}
        </text>
        <text x="50%" y={AREA + 16} textAnchor="middle">
          {show(middle)}
        </text>
        <text x="100%" y={AREA + 16} textAnchor="end">
          {density.ends[1] > density.to ? `→ ${show(density.ends[1])}` : show(density.to)}
        </text>
      </g>
    </>
  );
}

const clipped = (text: string, most = 18) =>
  [...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text;

function Bars({ distribution }: { distribution: Extract<Distribution, { kind: "categorical" }> }) {
  const rows = barsOf(distribution, 7);
  const top = Math.max(...rows.flatMap((r) => [r.reference, r.current]), 0) || 1;
  const pitch = Math.min(26, (PLOT_HEIGHT - 4) / Math.max(rows.length, 1));
  const thick = Math.min(8, pitch / 2 - 1.5);
  const width = (share: number) => `${((share / top) * 51).toFixed(2)}%`;
  return rows.map((row, i) => {
    const y = i * pitch + 2;
    const tip = `${row.value}\nreference ${percent(row.reference, 2)}\ncurrent ${percent(row.current, 2)}`;
    return (
      <g key={row.value} data-tip={tip}>
        <rect x="0" y={y} width="100%" height={pitch} fill="transparent" />
        <text
          x="33%"
          y={y + pitch / 2 + 3}
          textAnchor="end"
          fontSize="11"
          fill={row.rest ? "var(--soft)" : "var(--ink)"}
        >
          {clipped(row.value)}
        </text>
        <rect
          x="35%"
          y={y + pitch / 2 - thick}
          width={width(row.reference)}
          height={thick}
          fill="var(--reference)"
          opacity="0.75"
        />
        <rect x="35%" y={y + pitch / 2} width={width(row.current)} height={thick} fill="var(--current)" />
        <text x="100%" y={y + pitch / 2 + 3} textAnchor="end" fontSize="10.5" fill="var(--soft)">
          {percent(row.current, 1)}
        </text>
      </g>
    );
  });
}

export function DistributionPlot({
  distribution,
  label,
  picture,
}: {
  distribution: Distribution;
  label: string;
  picture?: Ref<SVGSVGElement>;
}) {
  return (
    <svg ref={picture} className="distribution" width="100%" height={PLOT_HEIGHT} role="img" aria-label={label}>
      {distribution.kind === "categorical" ? (
        <Bars distribution={distribution} />
      ) : (
        <Steps distribution={distribution} />
      )}
    </svg>
  );
}
