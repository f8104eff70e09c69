/** What changed, and since when? One model over time. */
import { useMemo, type ReactNode } from "react";
import { count, fixed, percent, sharedDecimals } from "../../base/format";
import { windowText } from "../../base/time";
import { useChoice } from "../../base/state";
import { Pick } from "../../charts/Figure";
import { Section } from "../../sections/Section";
import { SeriesFigure, Known } from "../charts/SeriesFigure";
import { Spark } from "../charts/Spark";
import { estimateAt, type Shown } from "../charts/points";
import { AS_SERVED } from "../charts/served";
import { ZoomProvider, useZoom } from "../charts/zoom";
import type { Every, Line, MetricLines, ModelView, TimeMark } from "../documents";
import { Await, PageHead, Tabs } from "../parts/Page";
import { useClock, when } from "../parts/clock";
import { iso } from "../charts/points";
import { Link, pathTo } from "../places";
import { useView } from "../views";
import { Drift } from "./model/Drift";
import { Outcome } from "./model/Outcome";
import { Quality } from "./model/Quality";
import { Segments } from "./model/Segments";
import { Service } from "./model/Service";

export const EVERY: [Every, string][] = [
  ["hour", "Hours"],
  ["day", "Days"],
  ["week", "Weeks"],
  ["month", "Months"],
];
const SOURCES: [Shown, string][] = [
  ["both", "realised and estimated"],
  ["realised", "realised"],
  ["estimated", "estimated"],
];
const WHAT = ["measured", "incident", "serving", "action"] as const;

export interface ModelProps {
  model: string;
  environment: string;
}

/** Everything that is chosen above the charts holds for all of them. */
function useChosen({ model, environment }: ModelProps) {
  const [every, setEvery] = useChoice("every", "day", EVERY.map(([e]) => e));
  const [version, setVersion] = useChoice("version", "");
  const [compare, setCompare] = useChoice("compare", "");
  const [segment, setSegment] = useChoice("segment", "");
  const [shown, setShown] = useChoice("source", "both", SOURCES.map(([s]) => s));
  const params = useMemo(() => ({ model, environment, every, version, compare, segment }), [model, environment, every, version, compare, segment]);
  return { every, setEvery, version, setVersion, compare, setCompare, segment, setSegment, shown: shown as Shown, setShown, params };
}
type Chosen = ReturnType<typeof useChosen>;

function ZoomAway() {
  const { zoom, setZoom } = useZoom();
  if (zoom[0] < 0.05 && zoom[1] > 99.95) return null;
  return (
    <button type="button" className="button" onClick={() => setZoom([0, 100])}>
      Show all time
    </button>
  );
}

function Controls({ view, chosen }: { view: ModelView; chosen: Chosen }) {
  const names = view.versions.map((v): [string, string] => [v, v]);
  const many = view.versions.length > 1;
  return (
    <div className="controls-bar" role="group" aria-label="what is drawn">
      <Tabs label="length of a window" value={chosen.every} options={EVERY.filter(([e]) => e === chosen.every || view.offered.includes(e))} onChange={chosen.setEvery} />
      {many && <Pick label="version" value={chosen.version} options={[["", AS_SERVED], ...names]} onChange={chosen.setVersion} />}
      {many && <Pick label="beside it" value={chosen.compare} options={[["", "nothing"], ...names]} onChange={chosen.setCompare} />}
      {view.segments.length > 0 && (
        <Pick label="rows" value={chosen.segment} options={[["", "all"], ...view.segments.map((s): [string, string] => [s, s])]} onChange={chosen.setSegment} />
      )}
      <Pick label="source" value={chosen.shown} options={SOURCES} onChange={chosen.setShown} />
      <ZoomAway />
    </div>
  );
}

const lineOf = (lines: MetricLines) => lines.realised ?? lines.estimated;
export const lastKnown = (line: Line | null) => line?.value.findLastIndex((v) => v !== null) ?? -1;

/** Every metric as a small line, to choose the large one; all numbers are of one window, the last of which any is known. */
function Strip({ view, metric, clock, onPick }: { view: ModelView; metric: string; clock: string; onPick: (metric: string) => void }) {
  const { performance: all, windows } = view;
  const place = Math.max(...all.map((lines) => lastKnown(lineOf(lines))));
  const dayOf = (i: number) => windowText(iso(windows.start[i] ?? 0), iso(windows.end[i] ?? 0), clock);
  return (
    <>
    {place >= 0 && place < windows.start.length - 1 && <p className="note">Numbers are of {dayOf(place)}, the last window of which any is known.</p>}
    <div className="strip" role="group" aria-label="metrics">
      {all.map((lines) => {
        const line = lineOf(lines);
        const now = estimateAt(line, place) ?? null;
        const before = lastKnown(line);
        const decimals = sharedDecimals([now]);
        const tip = now || before < 0 ? undefined : `not known in this window; ${fixed(line?.value[before] ?? null, 3, lines.unit)} in that of ${dayOf(before)}`;
        return (
          <button key={lines.metric} type="button" data-tip={tip} aria-pressed={lines.metric === metric} onClick={() => onPick(lines.metric)}>
            <span className="strip-title">{lines.title}</span>
            <b>{now ? fixed(now.value, decimals, lines.unit) : "–"}</b>
            {line ? <Spark line={line} reference={lines.reference} references={lines.references ?? null} dashed={!lines.realised} label="" /> : <small>not enough data</small>}
          </button>
        );
      })}
    </div>
    </>
  );
}

/** Where rows are drawn of a version that was not set to serve, which is said and not called served. */
function Unserved({ view }: { view: ModelView }) {
  const { served, version, versions } = view.windows;
  const odd = [...new Set((served ?? []).flatMap((s, i) => (s ? [] : [versions[version[i] ?? -1] ?? ""])))].filter(Boolean);
  if (!odd.length) return null;
  return (
    <p className="note">
      Rows came from version{odd.length > 1 && "s"} <bdi>{odd.join(", ")}</bdi>, which {odd.length > 1 ? "were" : "was"} not set to serve in all of these windows; they are drawn where no others are.
    </p>
  );
}

function Happened({ marks, clock }: { marks: TimeMark[]; clock: string }) {
  if (!marks.length) return null;
  return (
    <ul className="happened" aria-label="what happened when">
      {marks.toReversed().slice(0, 8).map((mark) => (
        <li key={`${mark.kind}${mark.at}${mark.id}`} className={mark.severity ?? "quiet-mark"}>
          <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
            <path d={mark.kind === "incident" ? "M6 .6 11.4 6 6 11.4 .6 6Z" : "M1 1.5h10L6 10.5Z"} fill="var(--tone, var(--soft))" />
          </svg>
          <time>{when(iso(mark.at), clock)}</time>
          {mark.id ? (
            <Link to={pathTo("incident", mark.id)}>
              <bdi>{mark.text}</bdi>
            </Link>
          ) : (
            <bdi>{mark.text}</bdi>
          )}
        </li>
      ))}
    </ul>
  );
}

function Performance({ view, chosen, clock }: { view: ModelView; chosen: Chosen; clock: string }) {
  const names = view.performance.map((m) => m.metric);
  const fallback = view.main_metric && names.includes(view.main_metric) ? view.main_metric : (names[0] ?? "");
  const [metric, setMetric] = useChoice("metric", fallback, names);
  const lines = view.performance.find((m) => m.metric === metric);
  const other = view.compared?.performance.find((m) => m.metric === metric);
  const compared = useMemo(
    () => (view.compared && other ? { windows: view.compared.windows, lines: other, name: `version ${view.compared.version}` } : null),
    [view.compared, other],
  );
  if (!lines) return <p className="figure nothing grey">No label has come and nothing could be estimated: not enough data.</p>;
  const about = chosen.segment ? `${lines.title}, ${chosen.segment}` : lines.title;
  const stage = view.compared && view.compared.stage === null ? `version ${view.compared.version} has no rows in these windows` : null;
  return (
    <>
      <SeriesFigure
        className="lead-chart"
        title={about}
        hint={<Known lines={lines} restated={lines.realised !== null} compared={compared?.name} />}
        controls={<Pick label="metric" value={metric} options={view.performance.map((m) => [m.metric, m.title])} onChange={setMetric} />}
        windows={view.windows}
        lines={lines}
        marks={view.marks}
        compared={compared}
        shown={chosen.shown}
        clock={clock}
        height={360}
        volume
        slider
        name={chosen.version ? `version ${chosen.version}` : AS_SERVED}
      />
      {stage && <p className="note">{stage}</p>}
      {!chosen.version && <Unserved view={view} />}
      <Happened marks={view.marks} clock={clock} />
      <Strip view={view} metric={metric} clock={clock} onPick={setMetric} />
    </>
  );
}

function Facts({ view, clock, children }: { view: ModelView; clock: string; children: ReactNode }) {
  const rows = view.windows.rows.reduce((a, b) => a + b, 0);
  const labelled = view.windows.labelled.reduce((a, b) => a + b, 0);
  const last = view.windows.end.at(-1);
  const { quarantined = 0, lost = 0, waiting = 0, pending = 0, sampled_out = 0 } = view.counters;
  const facts: [string, string][] = [
    ["serving", view.serving ?? "nothing"],
    ["rows drawn", count(rows)],
    ["with labels", rows ? percent(labelled / rows, 0) : "–"],
    ["last window", last === undefined ? "–" : windowText(iso(view.windows.start.at(-1) ?? last), iso(last), clock)],
    ["clock", view.clock === "event" ? "event time (a replay)" : (view.zone ?? "UTC")],
    ...([["lost", lost], ["refused", quarantined], ["labels waiting", waiting], ["to be counted", pending], ["left out by the schedule", sampled_out]] as [string, number][])
      .filter(([, n]) => n > 0)
      .map(([name, n]): [string, string] => [name, count(n)]),
  ]; // prettier-ignore
  return (
    <div className="facts-row">
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <bdi>{value}</bdi>
          </dd>
        </div>
      ))}
    </dl>
    {children}
    </div>
  );
}

function Body({ view, chosen, where }: { view: ModelView; chosen: Chosen; where: ModelProps }) {
  const clock = useClock(view.zone);
  const { start, end } = view.windows;
  return (
    <ZoomProvider first={start[0] ?? 0} last={end.at(-1) ?? 1}>
      <PageHead
        title={view.model}
        crumbs={[{ to: "/fleet", text: "Fleet" }]}
        status={view.status}
        words={
          <>
            {view.open.length > 0 ? (
              view.open.map((one, i) => (
                <span key={one.id}>
                  {i > 0 && " · "}
                  <Link to={pathTo("incident", one.id)}>
                    <bdi>{one.title}</bdi>
                  </Link>
                </span>
              ))
            ) : (
              <bdi>{view.words}</bdi>
            )}
          </>
        }
      >
        <Facts view={view} clock={clock}>
          <Link className="button" to={pathTo("monitors", where.environment, where.model)}>
            Monitors
          </Link>
        </Facts>
      </PageHead>
      <Controls view={view} chosen={chosen} />
      {start.length === 0 ? (
        <p className="figure nothing grey">No window has rows yet.</p>
      ) : (
        <>
          <Section id="performance" title="Performance">
            <Performance view={view} chosen={chosen} clock={clock} />
          </Section>
          <Segments where={where} chosen={chosen} windows={view.windows} clock={clock} />
          <Drift where={where} chosen={chosen} marks={view.marks} clock={clock} />
          <Quality where={where} chosen={chosen} marks={view.marks} clock={clock} />
          <Service view={view} clock={clock} />
          <Outcome where={where} chosen={chosen} clock={clock} />
        </>
      )}
    </ZoomProvider>
  );
}

export function ModelPage(where: ModelProps) {
  const chosen = useChosen(where);
  const shown = useView("model", chosen.params, { what: WHAT, ...where });
  return (
    <Await shown={shown} what={`the model ${where.model}`}>
      {(view) => <Body view={view} chosen={chosen} where={where} />}
    </Await>
  );
}

export interface PartProps {
  where: ModelProps;
  chosen: { every: string; version: string };
  clock: string;
}

/** Parameters of the documents of the parts below, which are drawn for the same windows. */
export function usePart({ where, chosen }: Pick<PartProps, "where" | "chosen">): Record<string, string> {
  const { model, environment } = where;
  const { every, version } = chosen;
  return useMemo(() => ({ model, environment, every, version }), [model, environment, every, version]);
}
export const PART = ["measured"] as const;
