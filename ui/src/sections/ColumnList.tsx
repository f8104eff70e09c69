import { useDeferredValue, useMemo, useState } from "react";
import { VERDICTS } from "../base/judge";
import { useChoice } from "../base/state";
import { Legend, Pick } from "../charts/Figure";
import type { ColumnRow } from "../view";
import { ColumnCard } from "./ColumnCard";

const STEP = 30;
const ORDERS: [string, string][] = [
  ["change", "change"],
  ["importance", "importance"],
  ["name", "name"],
];

/** Columns come by change; unknown importances stand last. */
function ordered(columns: ColumnRow[], order: string): ColumnRow[] {
  if (order === "name") return columns.toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return order === "importance" ? columns.toSorted((a, b) => (b.importance ?? -1) - (a.importance ?? -1)) : columns;
}

function matches(column: ColumnRow, search: string, show: string, kind: string): boolean {
  if (show !== "all" && column.verdict !== show) return false;
  if (kind !== "all" && column.kind !== kind) return false;
  return column.name.toLowerCase().includes(search);
}

export function ColumnList({ columns }: { columns: ColumnRow[] }) {
  const [search, setSearch] = useChoice("q", "");
  const [show, setShow] = useChoice("show", "all", ["all", ...VERDICTS]);
  const kinds = useMemo(() => [...new Set(columns.map((c) => c.kind))].sort(), [columns]);
  const [kind, setKind] = useChoice("kind", "all", ["all", ...kinds]);
  const weighed = useMemo(() => columns.some((c) => c.importance != null), [columns]);
  const orders = useMemo(() => ORDERS.filter(([key]) => weighed || key !== "importance"), [weighed]);
  const [order, setOrder] = useChoice("order", "change", orders.map(([key]) => key));
  const [most, setMost] = useState(STEP);
  const typed = useDeferredValue(search.trim().toLowerCase()); // typing stays quick while the list catches up
  const found = useMemo(() => ordered(columns.filter((c) => matches(c, typed, show, kind)), order), [columns, typed, show, kind, order]);
  const shown = found.slice(0, most);
  return (
    <div id="column-list">
      <div className="filters">
        <input
          type="search"
          value={search}
          placeholder="Search columns"
          aria-label="Search columns"
          onChange={(event) => setSearch(event.target.value)}
        />
        <Pick label="verdict" value={show} options={["all", ...VERDICTS].map((v) => [v, v])} onChange={setShow} />
        <Pick label="kind" value={kind} options={["all", ...kinds].map((k) => [k, k])} onChange={setKind} />
        <Pick label="order" value={order} options={orders} onChange={setOrder} />
        <Legend
          items={[
            ["reference", "reference"],
            ["current", "current"],
          ]}
        />
        <span className="found" role="status">
          {found.length === columns.length
            ? `${columns.length} columns`
            : `${found.length} of ${columns.length} columns`}
        </span>
      </div>
      {found.length === 0 && <p className="nothing">No column has a name like that.</p>}
      <div className="cards">
        {shown.map((column) => (
          <ColumnCard key={column.name} column={column} />
        ))}
      </div>
      {found.length > most && (
        <button type="button" className="quiet" onClick={() => setMost(most + STEP * 4)}>
          show {Math.min(found.length - most, STEP * 4)} more of {found.length}
        </button>
      )}
    </div>
  );
}
