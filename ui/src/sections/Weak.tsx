import { count, fixed, percent, words } from "../base/format";
import type { Cell } from "../base/save";
import { Figure } from "../charts/Figure";
import { saveRows } from "../charts/RowFigure";
import type { CompareView, WeakSegment } from "../view";
import { Section } from "./Section";

const STATUS = { new: "new", worse: "worse", "as before": "as before", unknown: "" } as const;

function csvOf(found: WeakSegment[]) {
  return {
    header: ["segment", "loss", "rows_share", "inside", "low", "high", "elsewhere", "cost_share", "cost_low", "cost_high", "p_value", "status"],
    rows: found.map((w): Cell[] => [
      ...[w.name, w.metric, w.share, w.inside.value, w.inside.low, w.inside.high, w.elsewhere],
      ...[w.cost.value, w.cost.low, w.cost.high, w.p_value, w.status],
    ]),
  };
}

/** Where the model is weak, whether or not that is news: those that cost most first. */
export function Weak({ view }: { view: CompareView }) {
  const found = view.weak_segments ?? [];
  const first = found[0];
  if (!first) return null;
  const title = `Weak segments: ${words(first.metric)}`;
  const rows = found.map((weak) => ({ label: weak.name, height: 26, text: weak.words, marks: <g /> }));
  const side = first.side === "reference" ? " in the reference" : "";
  return (
    <Section
      id="weak"
      title="Weak segments"
      lead={`Where the model loses most${side}: cells of one or two columns, found on one half of the sample of rows and tested on the other. Elsewhere: rows in no weak segment found up to this one.`}
    >
      <Figure title={title} csv={() => csvOf(found)} png={() => saveRows(title, rows, <svg />)}>
        <div className="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">segment</th>
                {["rows", "in it", "elsewhere", "share of the loss"].map((heading) => (
                  <th key={heading} scope="col" className="number">
                    {heading}
                  </th>
                ))}
                <th scope="col">before</th>
              </tr>
            </thead>
            <tbody>
              {found.map((weak) => (
                <tr key={weak.name} data-weak={weak.name} data-tip={weak.words}>
                  <th scope="row">
                    <bdi>{weak.name}</bdi>
                  </th>
                  <td className="number" title={`${count(weak.inside.n)} rows tested`}>
                    {percent(weak.share)}
                  </td>
                  <td className="number">{fixed(weak.inside.value, weak.unit === "share" ? 1 : 3, weak.unit)}</td>
                  <td className="number">{fixed(weak.elsewhere, weak.unit === "share" ? 1 : 3, weak.unit)}</td>
                  <td className="number">
                    <small>{`${percent(weak.cost.low)} to ${percent(weak.cost.high)} `}</small>
                    <b>{percent(weak.cost.value)}</b>
                  </td>
                  <td>{STATUS[weak.status]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Figure>
    </Section>
  );
}
