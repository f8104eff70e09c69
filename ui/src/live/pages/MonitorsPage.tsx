/** Will these rules bother me? Rules as code, what would change, and what they would have said over the stored history. */
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { count } from "../../base/format";
import { Chip } from "../../charts/Chip";
import { Figure } from "../../charts/Figure";
import { dayText, wall } from "../../base/time";
import { saveDrawing } from "../../base/save";
import { read, send, wordsOf } from "../asking";
import { draftOf, keepDraft } from "../drafts";
import { HeatMap, saveHeat, type HeatHandle, type HeatRow } from "../charts/HeatMap";
import { ZoomProvider } from "../charts/zoom";
import type { MonitorsView, Plan, Replay, Windows } from "../documents";
import { Await, PageHead } from "../parts/Page";
import { useClock, when } from "../parts/clock";
import { pathTo } from "../places";
import { useView } from "../views";

interface Where {
  model: string;
  environment: string;
}
type Outcome =
  | { kind: "check"; n: number }
  | { kind: "plan"; plan: Plan }
  | { kind: "replay"; replay: Replay }
  | { kind: "applied"; revision: number; warnings?: string[] | undefined }
  | { kind: "suggested" }
  | { kind: "trouble"; words: string };

const WHAT = ["monitors"] as const;

/** What will not do as it is meant, such as a channel that nobody named. */
function Warnings({ all = [] }: { all?: string[] | undefined }) {
  return all.map((one) => (
    <p key={one} className="trouble">
      <bdi>{one}</bdi>
    </p>
  ));
}

function Changes({ plan }: { plan: Plan }) {
  if (!plan.changes.length) return <p>Nothing would change.</p>;
  return (
    <ul className="changes">
      {plan.changes.map((one, i) => (
        <li key={i} className={one.what}>
          <b>{one.what}</b> <bdi>{one.monitor}</bdi>
          {one.what === "changed" && <pre tabIndex={0}>{`${JSON.stringify(one.from)}\n→ ${JSON.stringify(one.to)}`}</pre>}
        </li>
      ))}
    </ul>
  );
}

/** A day each: pale where something was found, full where it would have opened an incident. */
function ReplayChart({ replay, clock }: { replay: Replay; clock: string }) {
  const heat = useRef<HeatHandle>(null);
  const starts = useMemo(() => replay.days.map((d) => Date.parse(d.start) / 1000), [replay]);
  const windows = useMemo((): Windows => {
    const zeros = starts.map(() => 0);
    return { start: starts, end: starts.map((s, i) => starts[i + 1] ?? s + 86_400), rows: zeros, labelled: zeros, sealed: zeros.map(() => 1), version: zeros, versions: [""] };
  }, [starts]);
  const most = Math.max(...replay.days.map((d) => d.findings), 1);
  const rows = useMemo(
    (): HeatRow[] => [
      { key: "incident", name: "incidents", label: "incidents", values: replay.days.map((d) => (d.incident ? 1 : 0)), say: (i) => (replay.days[i]?.incident ? "an incident would have opened" : "no incident") },
      { key: "findings", name: "findings", label: "findings", values: replay.days.map((d) => Math.sqrt(d.findings / most)), say: (i) => `${replay.days[i]?.findings ?? 0} findings` },
    ],
    [replay, most],
  );
  const title = "What these rules would have said";
  return (
    <Figure
      title={title}
      hint={"deeper: more findings"}
      csv={() => ({ header: ["start", "incident", "findings"], rows: replay.days.map((d) => [d.start, d.incident, d.findings]) })}
      png={() => saveHeat(title, heat.current, saveDrawing)}
    >
      <HeatMap rows={rows} windows={windows} clock={clock} tall={26} narrow colour="critical" handle={heat} label={`${title}: ${replay.incidents.length} incidents in ${replay.windows} windows`} />
    </Figure>
  );
}

function Replayed({ replay, clock }: { replay: Replay; clock: string }) {
  const by = Object.entries(replay.findings_by_monitor).toSorted((a, b) => b[1] - a[1]);
  const days = replay.days;
  const span = days.length ? `${dayText(wall(days[0]?.start ?? "", clock))} – ${dayText(wall(days.at(-1)?.start ?? "", clock))}` : "no windows";
  return (
    <ZoomProvider first={days.length ? Date.parse(days[0]?.start ?? "") / 1000 : 0} last={days.length ? Date.parse(days.at(-1)?.start ?? "") / 1000 + 86_400 : 1}>
      <dl className="facts large">
        <div>
          <dt>incidents</dt>
          <dd>{count(replay.incidents.length)}</dd>
        </div>
        <div>
          <dt>a week</dt>
          <dd>{replay.per_week.toFixed(2)}</dd>
        </div>
        <div>
          <dt>windows</dt>
          <dd>{count(replay.windows)}</dd>
        </div>
        <div>
          <dt>from, to</dt>
          <dd>{span}</dd>
        </div>
      </dl>
      {days.length > 0 && <ReplayChart replay={replay} clock={clock} />}
      {replay.incidents.length > 0 && (
        <ol className="would-be">
          {replay.incidents.map((one, i) => (
            <li key={i}>
              <Chip verdict={one.severity} />
              <time>
                {dayText(wall(one.window, clock))}
                {one.resolved && ` – ${dayText(wall(one.resolved, clock))}`}
              </time>
              <p>{one.words}</p>
            </li>
          ))}
        </ol>
      )}
      {by.length > 0 && (
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">monitor</th>
              <th scope="col" className="number">
                findings
              </th>
            </tr>
          </thead>
          <tbody>
            {by.map(([name, n]) => (
              <tr key={name}>
                <th scope="row">
                  <bdi>{name}</bdi>
                </th>
                <td className="number">{count(n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </ZoomProvider>
  );
}

function Result({ outcome, clock }: { outcome: Outcome; clock: string }) {
  switch (outcome.kind) {
    case "check":
      return <p className="good">These are {outcome.n === 1 ? "1 monitor" : `${outcome.n} monitors`}, and they fit together.</p>;
    case "plan":
      return (
        <>
          <Warnings all={outcome.plan.warnings} />
          <Changes plan={outcome.plan} />
        </>
      );
    case "replay":
      return <Replayed replay={outcome.replay} clock={clock} />;
    case "applied":
      return (
        <>
          <p className="good">Applied as revision {outcome.revision}; the next window is judged by it.</p>
          <Warnings all={outcome.warnings} />
        </>
      );
    case "suggested":
      return <p>This is a suggestion; nothing is applied yet.</p>;
    case "trouble":
      return <p className="trouble">{outcome.words}</p>;
  }
}

/** Tab leaves the editor as it leaves any field, so that the keyboard is never caught; two spaces come with Ctrl+]. */
function indent(event: KeyboardEvent<HTMLTextAreaElement>, set: (text: string) => void): void {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "]") return;
  event.preventDefault();
  const field = event.currentTarget;
  const { selectionStart: at, value } = field;
  const line = value.lastIndexOf("\n", at - 1) + 1;
  set(`${value.slice(0, line)}  ${value.slice(line)}`);
  requestAnimationFrame(() => field.setSelectionRange(at + 2, at + 2));
}

function revisionOf({ monitors }: MonitorsView, clock: string): string {
  if (!monitors) return "nothing is applied yet";
  if (!monitors.created) return "suggested, and in force until you apply your own";
  return `revision ${monitors.revision}, by ${monitors.author ?? "nobody"}, ${when(monitors.created, clock)}`;
}

/** The rules as they are being written, over those that are stored. */
function useDraft(stored: string, place: string) {
  const [text, setText] = useState(() => draftOf(place)?.text ?? stored);
  const [base, setBase] = useState(() => draftOf(place)?.base ?? stored);
  const dirty = text !== base;
  useEffect(() => {
    // What somebody else applied appears by itself, but never over what is being written here.
    if (stored !== base && !dirty) {
      setText(stored);
      setBase(stored);
    }
  }, [stored, base, dirty]);
  useEffect(() => keepDraft(place, text, base), [place, text, base]);
  const discard = () => {
    setText(stored);
    setBase(stored);
  };
  return { text, setText, setBase, dirty, overtaken: dirty && stored !== base && stored !== text, discard };
}

type Doing = (what: Promise<Outcome>) => void;
interface ButtonsProps {
  text: string;
  where: Where;
  busy: boolean;
  admin: boolean;
  of: Doing;
  applied: () => void;
  suggested: (text: string) => void;
}

function Buttons({ text, where, busy, admin, of, applied, suggested }: ButtonsProps) {
  const body = { text };
  const params = { model: where.model, environment: where.environment };
  const off = busy || !text.trim();
  const suggest = () =>
    of(
      read("monitors/suggestion", params).then((told) => {
        suggested((JSON.parse(told) as { text: string }).text);
        return { kind: "suggested" } as Outcome;
      }),
    );
  const apply = () =>
    of(
      send<{ revision: number; warnings?: string[] }>("PUT", "monitors", body, params).then((made) => {
        applied();
        return { kind: "applied", revision: made.revision, warnings: made.warnings } as Outcome;
      }),
    );
  return (
    <>
      <button type="button" className="button" disabled={off} onClick={() => of(send<{ monitors: number }>("POST", "monitors/check", body).then((m) => ({ kind: "check", n: m.monitors })))}>
        Check
      </button>
      <button type="button" className="button" disabled={off} onClick={() => of(send<Plan>("POST", "monitors/plan", body, params).then((plan) => ({ kind: "plan", plan })))}>
        Plan
      </button>
      <button type="button" className="button" disabled={off} onClick={() => of(send<Replay>("POST", "monitors/replay", body, params).then((replay) => ({ kind: "replay", replay })))}>
        Replay
      </button>
      {admin && (
        <button type="button" className="button main" disabled={off} onClick={apply}>
          Apply
        </button>
      )}
      <button type="button" className="button plain" disabled={busy} onClick={suggest}>
        Suggest
      </button>
    </>
  );
}

function Editor({ view, where, again }: { view: MonitorsView; where: Where; again: () => void }) {
  const { text, setText, setBase, dirty, overtaken, discard } = useDraft(view.monitors?.text ?? "", `${where.environment}/${where.model}`);
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const clock = useClock(view.zone);
  const of: Doing = (what) => {
    setBusy(true);
    setOutcome(null);
    what
      .catch((error: unknown): Outcome => ({ kind: "trouble", words: wordsOf(error) }))
      .then(setOutcome)
      .finally(() => setBusy(false));
  };
  const applied = () => {
    setBase(text);
    again();
  };
  return (
    <div className={busy || outcome ? "editor-two answered" : "editor-two"}>
      <div className="editor-bar">
        <p className="buttons">
          <Buttons text={text} where={where} busy={busy} admin={view.me.role === "admin"} of={of} applied={applied} suggested={setText} />
          {dirty && (
            <>
              <span className="hint">not applied</span>
              <button type="button" className="button plain" onClick={discard}>
                Discard
              </button>
            </>
          )}
        </p>
        {overtaken && <p className="trouble">Other rules were applied while you were writing; applying yours replaces them.</p>}
        <p className="hint">
          <b>Check</b> reads the rules, <b>Plan</b> says what would change, <b>Replay</b> runs them over the stored windows as they were known when each was sealed, <b>Apply</b> makes them the rules from
          the next sealed window on.
        </p>
      </div>
      <div className="outcome" role="status" aria-live="polite" aria-busy={busy}>
        {busy && <p className="waiting">Working …</p>}
        {outcome && <Result outcome={outcome} clock={clock} />}
      </div>
      <div className="figure editor">
        <label htmlFor="rules">Rules</label>
        <span className="hint">{revisionOf(view, clock)}</span>
        <textarea
          id="rules"
          value={text}
          spellCheck={false}
          rows={Math.max(18, text.split("\n").length + 1)}
          placeholder={"model: …\nmonitors:\n  - {metric: roc_auc, detect: {risk: {tolerance: 0.02}}}"}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => indent(event, setText)}
        />
      </div>
    </div>
  );
}

export function MonitorsPage(where: Where) {
  const { model, environment } = where;
  const params = useMemo(() => ({ model, environment }), [model, environment]);
  const shown = useView("monitors", params, { what: WHAT, ...where });
  return (
    <>
      <PageHead title="Monitors" crumbs={[{ to: "/fleet", text: "Fleet" }, { to: pathTo("model", environment, model), text: model }]} />
      <Await shown={shown} what="the monitors">
        {(view) => <Editor view={view} where={where} again={shown.again} />}
      </Await>
    </>
  );
}
