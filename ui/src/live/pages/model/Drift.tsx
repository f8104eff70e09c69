/** How far each column moved in each window: what moved of late stands first. */
import { useMemo, useRef, useState } from "react";
import { count, short } from "../../../base/format";
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
/** Twice the floor is where a change can be critical; a root keeps what lies below it readable. */
export const depthOf = (floors: number) => Math.sqrt(Math.min(floors, FLOORS) / FLOORS);
export const SCALE: [number, string][] = [0.5, 1, 2, 4].map((f) => [depthOf(f), `${f}×`]);

const say = (row: DriftColumn, rows: number[]) => (i: number) =>
  row.strength[i] == null
    ? "not enough data"
    : `${short(row.strength[i], 2)}× the smallest that matters\n${row.title} ${short(row.value[i] ?? null, 3)}, n = ${count(rows[i] ?? 0)}`;

function Drawn({ view, where, marks, clock }: { view: DriftView; where: ModelProps; marks: TimeMark[]; clock: string }) {
  const [search, setSearch] = useChoice("columns", "");
  const [all, setAll] = useState(false);
  const heat = useRef<HeatHandle>(null);
  const found = useMemo(() => view.columns.filter((c) => c.column.toLowerCase().includes(search.trim().toLowerCase())), [view, search]);
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
          values: row.strength.map((s) => (s === null ? null : depthOf(s))),
          say: say(row, view.windows.rows),
        }),
      ),
    [found, all, where, view],
  );
  const title = "Drift by column";
  const csv = () => ({
    header: ["column", "metric", "start", "value", "floors", "n"],
    rows: found.flatMap((row) => view.windows.start.map((s, i) => [row.column, row.metric, iso(s), row.value[i] ?? null, row.strength[i] ?? null, view.windows.rows[i] ?? null])),
  });
  if (!view.columns.length) return <p className="figure nothing grey">There is no reference to compare columns with: not enough data.</p>;
  return (
    <Figure
      title={title}
      hint={<HeatScale steps={SCALE} />}
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
