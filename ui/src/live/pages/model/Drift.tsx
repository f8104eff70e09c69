/** How far each column moved in each window: what moved of late stands first. */
import { useMemo, useRef, useState } from "react";
import { extent } from "../../../base/extent";
import { count, percent, short } from "../../../base/format";
import { saveDrawing } from "../../../base/save";
import { useChoice } from "../../../base/state";
import { Figure } from "../../../charts/Figure";
import { Section } from "../../../sections/Section";
import { HeatMap, HeatScale, saveHeat, type HeatHandle, type HeatRow } from "../../charts/HeatMap";
import { iso } from "../../charts/points";
import type { DriftColumn, DriftView, TimeMark } from "../../documents";
import { Await } from "../../parts/Page";
import { Link, pathTo } from "../../places";
import { useView } from "../../views";
import { PART, usePart, type ModelProps, type PartProps } from "../ModelPage";

export const FIRST = 24;
const FLOORS = 4;

/** Twice the floor is where a change can be critical; a root keeps what lies below it readable, and a logarithm what lies far beyond. */
export function depthOf(floors: number, most: number): number {
  if (most <= FLOORS) return Math.sqrt(Math.min(floors, FLOORS) / FLOORS);
  return Math.min(1, Math.log1p(floors) / Math.log1p(most));
}

/** What the legend shows: to four floors as they are, else powers up to the largest. */
export function stepsOf(most: number): [number, string][] {
  const power = Math.max(1, most) ** (1 / 3);
  const between = [power, power ** 2].map((f) => Number(f.toPrecision(1)));
  const steps = most <= FLOORS ? [0.5, 1, 2, 4] : [...new Set([1, ...between, Number(most.toPrecision(most < 100 ? 2 : 3))])];
  return steps.map((f) => [depthOf(f, most), `${f.toLocaleString("en-GB")}×`]);
}

const say = (row: DriftColumn, rows: number[]) => (i: number) =>
  row.strength[i] == null
    ? "not enough data"
    : `${short(row.strength[i], 2)}× the smallest that matters\n${row.title} ${short(row.value[i] ?? null, 3)}, n = ${count(rows[i] ?? 0)}${row.importance == null ? "" : `\n${percent(row.importance)} of all importance`}`;

function Drawn({ view, where, marks, clock }: { view: DriftView; where: ModelProps; marks: TimeMark[]; clock: string }) {
  const [search, setSearch] = useChoice("columns", "");
  const [all, setAll] = useState(false);
  const heat = useRef<HeatHandle>(null);
  const found = useMemo(() => view.columns.filter((c) => c.column.toLowerCase().includes(search.trim().toLowerCase())), [view, search]);
  const most = useMemo(() => extent(view.columns.flatMap((c) => c.strength.filter((s) => s !== null)))?.[1] ?? 0, [view]);
  const rows = useMemo(
    () =>
      (all ? found : found.slice(0, FIRST)).map(
        (row): HeatRow => ({
          key: row.column,
          name: row.column,
          label: (
            <Link to={pathTo("column", where.environment, where.model, row.column)}>
              <bdi>{row.column}</bdi>
            </Link>
          ),
          values: row.strength.map((s) => (s === null ? null : depthOf(s, most))),
          say: say(row, view.windows.rows),
        }),
      ),
    [found, all, where, view, most],
  );
  const title = "Drift by column";
  const csv = () => ({
    header: ["column", "metric", "importance", "start", "value", "floors", "n"],
    rows: found.flatMap((row) => view.windows.start.map((s, i) => [row.column, row.metric, row.importance ?? null, iso(s), row.value[i] ?? null, row.strength[i] ?? null, view.windows.rows[i] ?? null])),
  });
  if (!view.columns.length) return <p className="figure nothing grey">There is no reference to compare columns with: not enough data.</p>;
  return (
    <Figure
      title={title}
      hint={<HeatScale steps={stepsOf(most)} words={most > FLOORS ? "on a log scale" : ""} />}
      controls={
        <input type="search" value={search} placeholder="Search columns" aria-label="Search columns" onChange={(event) => setSearch(event.target.value)} />
      }
      csv={csv}
      png={() => saveHeat(title, heat.current, saveDrawing)}
    >
      {rows.length ? (
        <HeatMap rows={rows} windows={view.windows} marks={marks} clock={clock} handle={heat} label={`Drift of ${rows.length} columns over ${view.windows.start.length} windows, the strongest of late first: ${rows.slice(0, 3).map((r) => r.name).join(", ")}`} />
      ) : (
        <p className="nothing">No column has a name like that.</p>
      )}
      {view.columns.some((row) => row.importance != null) && (
        <p className="note">Changes are weighed by what the model makes of each column, as the reference's schema says.</p>
      )}
      {found.length > FIRST && (
        <button type="button" className="quiet" onClick={() => setAll(!all)}>
          {all ? "show fewer" : `show all ${found.length} columns`}
        </button>
      )}
    </Figure>
  );
}

export function Drift({ where, chosen, marks, clock }: PartProps & { marks: TimeMark[] }) {
  const shown = useView("drift", usePart({ where, chosen }), { what: PART, ...where });
  return (
    <Section id="drift" title="Drift" lead="In multiples of the smallest change that matters; the columns that moved most in the last seven windows first. Drift explains; by itself it is no fault.">
      <Await shown={shown} what="drift">
        {(view) => <Drawn view={view} where={where} marks={marks} clock={clock} />}
      </Await>
    </Section>
  );
}
