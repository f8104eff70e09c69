import { useMemo } from "react";
import { VERDICTS, countVerdicts } from "../base/judge";
import { useChoices } from "../base/state";
import { Glyph } from "../charts/Chip";
import type { ColumnRow } from "../view";
import { ColumnList } from "./ColumnList";
import { Overview } from "./Overview";
import { Section } from "./Section";

export function Columns({ columns }: { columns: ColumnRow[] }) {
  const counts = useMemo(() => countVerdicts(columns), [columns]);
  const { choose } = useChoices();
  if (!columns.length) return null;
  const find = (name: string) => {
    choose({ q: name, show: "" });
    document.getElementById("column-list")?.scrollIntoView();
  };
  return (
    <Section
      id="columns"
      title="Columns"
      lead={
        <>
          <span className="tally">
            {VERDICTS.filter((v) => counts[v]).map((v) => (
              <span key={v}>
                <Glyph verdict={v} /> {counts[v]} {v}
              </span>
            ))}
          </span>
          {columns.some((c) => c.importance != null) &&
            "What changed most stands first, each change weighed by what the model makes of the column: the importances in the reference's schema."}
        </>
      }
    >
      <Overview columns={columns} onPick={find} />
      <ColumnList columns={columns} />
    </Section>
  );
}
