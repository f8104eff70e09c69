import { useState } from "react";
import { count, fixed, short } from "../base/format";
import { decimalsOf, estimateText, rowTip } from "../base/tell";
import { Chip } from "../charts/Chip";
import type { ColumnRow, MetricRow, Summary } from "../view";

function Distances({ rows }: { rows: MetricRow[] }) {
  if (!rows.length) return null;
  return (
    <table>
      <caption>Distances</caption>
      <tbody>
        {rows.map((row) => (
          <tr key={row.metric} title={row.words}>
            <th scope="row">{row.title}</th>
            <td className="number">{estimateText(row.current, decimalsOf(row), row.unit)}</td>
            <td>
              <Chip verdict={row.verdict} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const before = (row: MetricRow) =>
  row.reference?.value == null ? "" : `${fixed(row.reference.value, decimalsOf(row), row.unit)} → `;

function Quality({ rows }: { rows: MetricRow[] }) {
  if (!rows.length) return null;
  return (
    <table>
      <caption>Quality</caption>
      <tbody>
        {rows.map((row) => (
          <tr key={row.metric} data-tip={rowTip(row)}>
            <th scope="row">{row.title}</th>
            <td className="number">
              {before(row)}
              {fixed(row.current?.value ?? null, decimalsOf(row), row.unit)}
            </td>
            <td>
              <Chip verdict={row.verdict} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const LINES: [keyof Summary, string][] = [
  ["rows", "rows"],
  ["nulls", "missing"],
  ["nans", "not a number"],
  ["infinities", "infinite"],
  ["distinct", "distinct"],
  ["mean", "mean"],
  ["sd", "standard deviation"],
  ["min", "least"],
  ["p05", "5 %"],
  ["p25", "25 %"],
  ["median", "median"],
  ["p75", "75 %"],
  ["p95", "95 %"],
  ["max", "greatest"],
];

function summaryText(summary: Summary, key: keyof Summary): string {
  const value = summary[key];
  if (typeof value === "boolean" || value === null) return "–";
  if (key === "distinct") return `${summary.distinct_exact ? "" : "≈ "}${count(Number(value))}`;
  return short(value);
}

function SummaryTable({ column }: { column: ColumnRow }) {
  const lines = LINES.filter(([key]) => column.reference[key] !== null || column.current[key] !== null).filter(
    ([key]) => !["nans", "infinities"].includes(key) || column.reference[key] || column.current[key],
  );
  return (
    <table>
      <caption>Summary</caption>
      <thead>
        <tr>
          <td />
          <th scope="col" className="number">
            reference
          </th>
          <th scope="col" className="number">
            current
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map(([key, name]) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td className="number">{summaryText(column.reference, key)}</td>
            <td className="number">{summaryText(column.current, key)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Everything else that is known of a column; built when it is opened, since there may be a thousand. */
export function ColumnDetails({ column }: { column: ColumnRow }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Distances, quality, summary</summary>
      {open && (
        <div className="details">
          <Distances rows={column.distances} />
          <Quality rows={column.quality} />
          {column.new_categories.length > 0 && (
            <p className="new">
              New categories:{" "}
              {column.new_categories.map((value) => (
                <code key={value}>
                  <bdi>{value}</bdi>
                </code>
              ))}
            </p>
          )}
          <SummaryTable column={column} />
        </div>
      )}
    </details>
  );
}
