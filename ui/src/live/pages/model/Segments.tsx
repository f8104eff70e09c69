/** Where it got worse: one metric in every segment, side by side. */
import { useCallback, useMemo } from "react";
import { count, fixed, sharedDecimals, signed } from "../../../base/format";
import { useChoice } from "../../../base/state";
import { windowText } from "../../../base/time";
import { Figure, Pick } from "../../../charts/Figure";
import { saveRows } from "../../../charts/RowFigure";
import { Section } from "../../../sections/Section";
import { Spark } from "../../charts/Spark";
import { estimateAt, iso } from "../../charts/points";
import type { SegmentLine, SegmentsView, Windows } from "../../documents";
import { Await } from "../../parts/Page";
import { useView } from "../../views";
import { PART, lastKnown, usePart, type PartProps } from "../ModelPage";

const lineOf = ({ realised, estimated }: SegmentLine) => realised ?? estimated;

function Drawn({ view, clock, chosen, setMetric, setSegment }: { view: SegmentsView; clock: string; chosen: string; setMetric: (m: string) => void; setSegment: (s: string) => void }) {
  const columns = useMemo(() => [...new Set(view.segments.map((s) => s.segment.split("=")[0] ?? ""))], [view]);
  const [by, setBy] = useChoice("by", columns[0] ?? "", columns);
  // All numbers are of one window: the last of which any segment is known.
  const place = useMemo(() => Math.max(...view.segments.map((s) => lastKnown(lineOf(s)))), [view]);
  const nowOf = useCallback((s: SegmentLine) => estimateAt(lineOf(s), place) ?? null, [place]);
  const rows = useMemo(() => {
    const worse = (s: SegmentLine) => {
      const now = nowOf(s)?.value;
      if (now == null || s.reference === null) return -Infinity;
      return view.better === "higher" ? s.reference - now : now - s.reference;
    };
    return view.segments.filter((s) => s.segment.startsWith(`${by}=`)).toSorted((a, b) => worse(b) - worse(a));
  }, [view, by, nowOf]);
  const title = `${view.title} by ${by}`;
  const decimals = sharedDecimals(rows.map(nowOf));
  const csv = () => ({
    header: ["segment", "start", "realised", "low", "high", "n", "estimated", "reference"],
    rows: rows.flatMap((s) => view.windows.start.map((start, i) => [s.segment, iso(start), s.realised?.value[i] ?? null, s.realised?.low[i] ?? null, s.realised?.high[i] ?? null, s.realised?.n[i] ?? null, s.estimated?.value[i] ?? null, s.reference])),
  });
  const png = () => saveRows(title, rows.map((s) => ({ label: s.segment, height: 22, marks: null, text: fixed(nowOf(s)?.value ?? null, decimals, view.unit) })));
  return (
    <Figure
      title={title}
      csv={csv}
      png={png}
      hint={`the worst ${place < 0 ? "" : `in ${windowText(iso(view.windows.start[place] ?? 0), iso(view.windows.end[place] ?? 0), clock)} `}first; choose one to draw its rows alone`}
      controls={
        <>
          <Pick label="metric" value={view.metric} options={view.offered.map((m) => [m.metric, m.title])} onChange={setMetric} />
          <Pick label="by" value={by} options={columns.map((c) => [c, c])} onChange={setBy} />
        </>
      }
    >
      <ol className="segment-cards">
        {rows.map((s) => {
          const now = nowOf(s);
          const line = lineOf(s);
          const value = s.segment.slice(by.length + 1);
          const change = now?.value == null || s.reference === null ? null : now.value - s.reference;
          const bad = change !== null && view.better !== null && (view.better === "higher" ? change < 0 : change > 0);
          return (
            <li key={s.segment}>
              <button type="button" aria-pressed={chosen === s.segment} onClick={() => setSegment(chosen === s.segment ? "" : s.segment)}>
                <span className="strip-title">
                  <bdi>{value === "__other__" ? "all others" : value === "__missing__" ? "no value" : value}</bdi>
                </span>
                <b>{now ? fixed(now.value, decimals, view.unit) : "–"}</b>
                <small className={bad ? "worse" : ""}>{change === null ? "" : signed(change, decimals, view.unit)}</small>
                {line ? <Spark line={line} reference={s.reference} references={s.references ?? null} dashed={!s.realised} label={`${s.segment}: ${now ? fixed(now.value, decimals, view.unit) : "not enough data"}, n = ${count(now?.n ?? 0)}`} /> : <small className="muted">not enough data</small>}
              </button>
            </li>
          );
        })}
      </ol>
      {view.all > view.segments.length && <p className="note">The {view.segments.length} largest of {view.all} segments are drawn.</p>}
    </Figure>
  );
}

type Props = PartProps & { windows: Windows; chosen: { every: string; version: string; segment: string; setSegment: (s: string) => void } };

export function Segments({ where, chosen, clock }: Props) {
  const [metric, setMetric] = useChoice("segments", "");
  const part = usePart({ where, chosen });
  const params = useMemo(() => ({ ...part, metric }), [part, metric]);
  const shown = useView("segments", params, { what: PART, ...where });
  if (shown.view && !shown.view.segments.length) return null;
  return (
    <Section id="segments" title="Segments">
      <Await shown={shown} what="segments">
        {(view) => <Drawn view={view} clock={clock} chosen={chosen.segment} setMetric={setMetric} setSegment={chosen.setSegment} />}
      </Await>
    </Section>
  );
}
