/** What is wrong with the values themselves: missing, infinite, out of range, never seen before. */
import { useMemo, useRef, useState } from "react";
import { count, percent } from "../../../base/format";
import { saveDrawing } from "../../../base/save";
import { Figure } from "../../../charts/Figure";
import { Section } from "../../../sections/Section";
import { HeatMap, HeatScale, saveHeat, type HeatHandle, type HeatRow } from "../../charts/HeatMap";
import { iso } from "../../charts/points";
import type { QualityRow, QualityView, TimeMark } from "../../documents";
import { Await } from "../../parts/Page";
import { Link, pathTo } from "../../places";
import { useView } from "../../views";
import { PART, usePart, type ModelProps, type PartProps } from "../ModelPage";

const FIRST = 12;
const depthOf = (share: number) => Math.sqrt(Math.min(1, share));
const SCALE: [number, string][] = [0.01, 0.1, 0.5, 1].map((s) => [depthOf(s), percent(s, 0)]);

const before = (row: QualityRow, i: number) => row.references?.[i] ?? row.reference;

function Drawn({ view, where, marks, clock }: { view: QualityView; where: ModelProps; marks: TimeMark[]; clock: string }) {
  const [all, setAll] = useState(false);
  const heat = useRef<HeatHandle>(null);
  const rows = useMemo(
    () =>
      (all ? view.rows : view.rows.slice(0, FIRST)).map(
        (row): HeatRow => ({
          key: `${row.column} ${row.metric}`,
          name: `${row.column}, ${row.title.toLowerCase()}`,
          label: (
            <Link to={pathTo("column", where.environment, where.model, row.column)}>
              <bdi>{row.column}</bdi> <small>{row.title.toLowerCase()}</small>
            </Link>
          ),
          values: row.value.map((v) => (v === null ? null : depthOf(v))),
          say: (i) =>
            row.value[i] == null
              ? "not enough data"
              : `${row.title} ${percent(row.value[i], 2)}${before(row, i) === null ? "" : `, in the reference ${percent(before(row, i), 2)}`}, n = ${count(row.n[i] ?? 0)}`,
        }),
      ),
    [view, all, where],
  );
  const title = "Quality by column";
  if (!rows.length) return <p className="figure nothing">Nothing is missing, infinite, out of range or new.</p>;
  return (
    <Figure
      title={title}
      hint={<HeatScale steps={SCALE} colour="estimate" />}
      csv={() => ({
        header: ["column", "metric", "start", "value", "reference", "n"],
        rows: view.rows.flatMap((row) => view.windows.start.map((s, i) => [row.column, row.metric, iso(s), row.value[i] ?? null, before(row, i), row.n[i] ?? null])),
      })}
      png={() => saveHeat(title, heat.current, saveDrawing)}
    >
      <HeatMap rows={rows} windows={view.windows} marks={marks} clock={clock} handle={heat} colour="estimate" label={`Quality of ${rows.length} columns over ${view.windows.start.length} windows, the worst of late first`} />
      {view.rows.length > FIRST && (
        <button type="button" className="quiet" onClick={() => setAll(!all)}>
          {all ? "show fewer" : `show all ${view.rows.length}`}
        </button>
      )}
    </Figure>
  );
}

export function Quality({ where, chosen, marks, clock }: PartProps & { marks: TimeMark[] }) {
  const shown = useView("quality", usePart({ where, chosen }), { what: PART, ...where });
  return (
    <Section id="quality" title="Quality" lead="The share of values that are missing, infinite, out of the reference's range or never seen in it.">
      <Await shown={shown} what="quality">
        {(view) => <Drawn view={view} where={where} marks={marks} clock={clock} />}
      </Await>
    </Section>
  );
}
