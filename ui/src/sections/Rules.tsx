import { Chip } from "../charts/Chip";
import type { CompareView } from "../view";
import { Section } from "./Section";

const MOST = 60;

/** Duplicates, and the rules that are not kept; nothing where there is nothing to say. */
export function Rules({ view }: { view: CompareView }) {
  const rules = view.rules ?? [];
  const told = (view.quality ?? []).filter((row) => row.verdict === "warning" || row.verdict === "critical");
  const broken = rules.filter((rule) => rule.verdict !== "ok");
  if (!told.length && !rules.length) return null;
  const kept = `${rules.length - broken.length} of ${rules.length} rules are kept.`;
  const lines = [
    ...told.map((row) => ({ key: row.metric, verdict: row.verdict, words: row.words })),
    ...broken.map((rule) => ({ key: `${rule.column} ${rule.rule}`, verdict: rule.verdict, words: rule.words })),
  ];
  return (
    <Section id="rules" title="Rules" lead={rules.length ? kept : "Of all rows."}>
      <table>
        <tbody>
          {lines.slice(0, MOST).map((line) => (
            <tr key={line.key} data-rule={line.key}>
              <td className="verdict">
                <Chip verdict={line.verdict} />
              </td>
              <td>{line.words}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {lines.length > MOST && <p className="note">{lines.length - MOST} more are in the JSON.</p>}
    </Section>
  );
}
