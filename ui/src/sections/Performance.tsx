import { useState } from "react";
import { fixed } from "../base/format";
import { METRIC_HEADER, changeText, decimalsOf, estimateText, metricCells, offText, rowTip } from "../base/tell";
import { Chip } from "../charts/Chip";
import { Evidence } from "../charts/Evidence";
import { Figure, Legend } from "../charts/Figure";
import { Marks, markOf, spanOf, type Mark, type Span } from "../charts/Marks";
import { saveRows } from "../charts/RowFigure";
import type { Estimate, MetricRow } from "../view";
import { Section } from "./Section";

const HEIGHT = 38;
const TALL = 50; // where there are four marks
const heightOf = (row: MetricRow) => (row.powered?.value == null ? HEIGHT : TALL);

interface Drawing {
  marks: Mark[];
  span: Span;
  band: Span | null;
}

/** The grey band is where a change is too small to matter. */
function drawingOf(row: MetricRow): Drawing {
  const marks = [
    ...markOf("reference", row.reference),
    ...markOf("current", row.current),
    ...markOf("estimate", row.estimated),
    ...markOf("powered", row.powered),
  ];
  const centre = row.reference?.value;
  const band: Span | null = centre == null || row.floor === null ? null : [centre - row.floor, centre + row.floor];
  const edges: Mark[] = band ? band.map((value) => ({ role: "bar", value, low: null, high: null })) : [];
  return { marks, band, span: spanOf([...marks, ...edges]) };
}

function Number_({ e, row, side, more = "" }: { e: Estimate | null | undefined; row: MetricRow; side: string; more?: string }) {
  const decimals = decimalsOf(row);
  if (e?.value == null)
    return (
      <td className={`number none ${side}`} data-side={side}>
        {side === "estimated" || side === "powered" ? "–" : "not enough data"}
      </td>
    );
  return (
    <td className={`number ${side}`} data-side={side}>
      <b>{fixed(e.value, decimals, row.unit)}</b>
      {e.low !== null && e.high !== null && (
        <small>
          {fixed(e.low, decimals, row.unit)} – {fixed(e.high, decimals, row.unit)}
        </small>
      )}
      {more && <small className="off">{more}</small>}
    </td>
  );
}

interface Parts {
  labelled: boolean;
  guessed: boolean;
  powered: boolean;
}

function Row({ row, labelled, guessed, powered }: Parts & { row: MetricRow }) {
  const [open, setOpen] = useState(false);
  const { marks, span, band } = drawingOf(row);
  const { change, span: changeSpan } = changeText(row);
  const decimals = decimalsOf(row);
  const columns = 4 + (labelled ? 3 : 0) + (guessed ? 1 : 0) + (powered ? 1 : 0) - 1;
  const height = heightOf(row);
  return (
    <>
      <tr className={marks.length ? "" : "muted"} data-metric={row.metric}>
        <th scope="row">
          <button type="button" className="expand" aria-expanded={open} onClick={() => setOpen(!open)}>
            {row.title}
          </button>
          {row.better && row.better !== "near zero" && <small className="better">{row.better} is better</small>}
        </th>
        <td className="plot" data-tip={rowTip(row)} tabIndex={0} role="img" aria-label={rowTip(row)}>
          <svg width="100%" height={height} aria-hidden="true">
            <Marks marks={marks} span={span} height={height} band={band} />
          </svg>
          {marks.length > 0 && (
            <span className="ends">
              <i>{fixed(span[0], decimals, row.unit)}</i>
              <i>{fixed(span[1], decimals, row.unit)}</i>
            </span>
          )}
        </td>
        {labelled && <Number_ e={row.reference} row={row} side="reference" />}
        {labelled && <Number_ e={row.current} row={row} side="current" />}
        {guessed && <Number_ e={row.estimated} row={row} side="estimated" more={offText(row)} />}
        {powered && <Number_ e={row.powered} row={row} side="powered" />}
        {labelled && (
          <td className="number change" data-side="change">
            <b>{change}</b>
            <small>{changeSpan}</small>
          </td>
        )}
        <td className="verdict">
          <Chip verdict={row.verdict} />
        </td>
      </tr>
      {open && (
        <tr className="more">
          <td colSpan={columns}>
            <Evidence check={row} row={row} />
          </td>
        </tr>
      )}
    </>
  );
}

export function Performance({ rows }: { rows: MetricRow[] }) {
  if (!rows.length) return null;
  const labelled = rows.some((row) => row.reference?.value != null || row.current?.value != null);
  const came = rows.some((row) => row.current?.value != null);
  const guessed = rows.some((row) => row.estimated?.value != null);
  const powered = rows.some((row) => row.powered?.value != null);
  const title = "Performance";
  const csv = () => ({ header: METRIC_HEADER, rows: rows.map(metricCells) });
  const png = () =>
    saveRows(
      title,
      rows.map((row) => {
        const { marks, span, band } = drawingOf(row);
        const text = `${estimateText(row.reference, decimalsOf(row), row.unit)} → ${fixed(row.current?.value ?? null, decimalsOf(row), row.unit)}, ${row.verdict ?? "not judged"}`;
        return {
          label: row.title,
          height: heightOf(row),
          marks: <Marks marks={marks} span={span} height={heightOf(row)} band={band} />,
          text,
        };
      }),
    );
  return (
    <Section
      id="performance"
      title="Performance"
      lead={
        came
          ? "Each metric on its own small axis, with its intervals. Open a row for the evidence."
          : "No labels have come for the current side: changes are those of the estimate, made from the scores alone."
      }
    >
      <Figure
        title={labelled ? "Metrics, reference against current" : "Metrics, estimated"}
        csv={csv}
        png={png}
        hint={
          <Legend
            items={[
              ...(labelled
                ? ([
                    ["reference", "reference"],
                    ["current", "current"],
                  ] as [string, string][])
                : []),
              ...(guessed ? ([["estimate", "estimated without labels"]] as [string, string][]) : []),
              ...(powered ? ([["powered", "powered: from the labels there are and all scores"]] as [string, string][]) : []),
              ...(labelled ? ([["band", "too small to matter"]] as [string, string][]) : []),
            ]}
          />
        }
      >
        <div className="scroll">
          <table className={powered ? "metrics wide" : "metrics"}>
            <thead>
              <tr>
                <th scope="col">metric</th>
                <th scope="col">
                  <span className="sr">drawn</span>
                </th>
                {labelled && (
                  <th scope="col" className="number">
                    reference
                  </th>
                )}
                {labelled && (
                  <th scope="col" className="number">
                    current
                  </th>
                )}
                {guessed && (
                  <th scope="col" className="number">
                    estimated
                  </th>
                )}
                {powered && (
                  <th scope="col" className="number">
                    powered
                  </th>
                )}
                {labelled && (
                  <th scope="col" className="number change">
                    change
                  </th>
                )}
                <th scope="col">verdict</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row key={row.metric} row={row} labelled={labelled} guessed={guessed} powered={powered} />
              ))}
            </tbody>
          </table>
        </div>
      </Figure>
    </Section>
  );
}
