import { useRef } from "react";
import { fixed, percent, short, words } from "../base/format";
import { floors } from "../base/judge";
import { useNear } from "../base/near";
import { savePng, svgAddress, type Table } from "../base/save";
import { Chip } from "../charts/Chip";
import { DistributionPlot, PLOT_HEIGHT } from "../charts/DistributionPlot";
import { SaveButtons } from "../charts/Figure";
import type { ColumnRow, Distribution } from "../view";
import { ColumnDetails } from "./ColumnDetails";

function tableOf(d: Distribution): Table {
  if (d.kind === "categorical") {
    const rows = d.values.map((value, i) => [value, d.reference[i] ?? null, d.current[i] ?? null]);
    return { header: ["value", "reference", "current"], rows: d.other ? [...rows, ["(other)", ...d.other]] : rows };
  }
  return {
    header: ["from", "to", "reference", "current"],
    rows: d.reference.map((share, i) => [d.edges[i] ?? null, d.edges[i + 1] ?? null, share, d.current[i] ?? null]),
  };
}

const spoken = (c: ColumnRow) => `Distribution of ${c.name}. ${c.words}`;

function Plot({ column }: { column: ColumnRow }) {
  const picture = useRef<SVGSVGElement>(null);
  const { distribution } = column;
  if (!distribution)
    return (
      <p className="nothing" style={{ height: PLOT_HEIGHT }}>
        no distribution is kept for this column
      </p>
    );
  const title = column.name;
  const png = () => {
    const svg = picture.current;
    return svg
      ? savePng(title, svgAddress(svg, svg.clientWidth, svg.clientHeight), svg.clientWidth, svg.clientHeight)
      : undefined;
  };
  return (
    <>
      <DistributionPlot distribution={distribution} label={spoken(column)} picture={picture} />
      <SaveButtons title={title} csv={() => tableOf(distribution)} png={png} />
    </>
  );
}

function Effect({ column }: { column: ColumnRow }) {
  if (column.effect === null) return <p className="effect none">not enough data</p>;
  const times = floors(column);
  const title = column.distances.find((row) => row.metric === column.metric)?.title ?? words(column.metric);
  return (
    <p className="effect">
      <span>
        <b>
          {title} {fixed(column.effect, 3)}
        </b>
        {column.effect_low !== null &&
          column.effect_high !== null &&
          ` (${fixed(column.effect_low, 3)}–${fixed(column.effect_high, 3)})`}
      </span>
      {times !== null && (
        <span title={`the floor, the smallest effect that matters, is ${short(column.floor)}`}>
          {times.toFixed(1)}× floor
        </span>
      )}
    </p>
  );
}

/** Missing values are part of how a column looks, so they stand on its card when there are any. */
function Missing({ column }: { column: ColumnRow }) {
  const share = (side: ColumnRow["reference"]) => (side.rows ? side.nulls / side.rows : 0);
  const [before, after] = [share(column.reference), share(column.current)];
  if (Math.max(before, after) < 0.0005) return null;
  return (
    <span>
      missing {percent(before)} → {percent(after)}
    </span>
  );
}

/** What the model makes of the column, where the reference says. */
function Importance({ part }: { part: number | null | undefined }) {
  if (part == null) return null;
  return (
    <span className="importance" title="part of what the model makes of all columns, as the reference's schema says">
      <span className="meter" aria-hidden="true">
        <i style={{ width: `${Math.min(100, part * 100)}%` }} />
      </span>
      importance {percent(part, part >= 0.1 ? 0 : 1)}
    </span>
  );
}

export function ColumnCard({ column }: { column: ColumnRow }) {
  const ref = useRef<HTMLElement>(null);
  const near = useNear(ref);
  return (
    <article
      ref={ref}
      className={`card${column.verdict === "not enough data" ? " muted" : ""}`}
      data-column={column.name}
      aria-label={column.name}
    >
      <header>
        <h4 title={column.name}>
          <bdi>{column.name}</bdi>
        </h4>
        <Chip verdict={column.verdict} />
        <p className="tags">
          <span>{column.kind}</span>
          {column.role !== "feature" && <span>{column.role}</span>}
          <Importance part={column.importance} />
          <Missing column={column} />
        </p>
      </header>
      <div className="card-plot" style={{ minHeight: PLOT_HEIGHT }}>
        {near && <Plot column={column} />}
      </div>
      <Effect column={column} />
      <p className="words">{column.words}</p>
      {near && <ColumnDetails column={column} />}
    </article>
  );
}
