/** Is anything wrong, anywhere? One row a model, the worst first. */
import { useMemo } from "react";
import { count, fixed, interval, percent, sharedDecimals } from "../../base/format";
import { saveCsv } from "../../base/save";
import { useChoice } from "../../base/state";
import { VERDICTS } from "../../base/judge";
import { Chip, Glyph } from "../../charts/Chip";
import { Pick } from "../../charts/Figure";
import type { Estimate, VerdictName } from "../../view";
import { Bars, Spark } from "../charts/Spark";
import { estimateAt, iso } from "../charts/points";
import type { FleetModel, FleetView } from "../documents";
import { Await, OperatorProblem, PageHead } from "../parts/Page";
import { useClock } from "../parts/clock";
import { dayText, wall, windowText } from "../../base/time";
import { Link, pathTo } from "../places";
import { useView } from "../views";

const NONE = {};
const CONCERN = { what: ["measured", "incident", "serving", "monitors"] } as const;

const rank = (m: FleetModel) => VERDICTS.indexOf(m.status);
const lastPlace = (m: FleetModel) => (m.line ? m.line.value.findLastIndex((v) => v !== null) : -1);
const lastOf = (m: FleetModel) => estimateAt(m.line, lastPlace(m)) ?? null;

/** The day of the value that stands for now, where later windows have none yet. */
function datedOf(m: FleetModel, clock: string): string | null {
  const place = lastPlace(m);
  return place < 0 || place === m.start.length - 1 ? null : dayText(wall(iso(m.start[place] ?? 0), clock), false);
}

function windowOf(m: FleetModel, clock: string): string {
  const [start, end] = [m.start.at(-1), m.end.at(-1)];
  return start === undefined || end === undefined ? "–" : windowText(iso(start), iso(end), clock);
}

const decimalsOf = (e: Estimate | null) => Math.min(3, sharedDecimals([e]));

function sayOf(m: FleetModel): string {
  const now = lastOf(m);
  if (!now) return `${m.title || "main metric"}: not enough data`;
  const decimals = decimalsOf(now);
  return `${m.title}, ${m.source}: ${fixed(now.value, decimals, m.unit)} (${interval(now.low, now.high, decimals, m.unit)}), n = ${count(now.n)}`;
}

/** What needs a hand though no monitor is about it: rows that wait, were refused or lost. */
function Troubles({ model }: { model: FleetModel }) {
  const { quarantined = 0, lost = 0, waiting = 0, pending = 0 } = model.counters;
  const said = [
    lost && `${count(lost)} lost`,
    quarantined && `${count(quarantined)} refused`,
    waiting && `${count(waiting)} labels wait`,
    pending && `${count(pending)} to be counted`,
  ].filter(Boolean);
  return said.length ? <small className="troubles">{said.join(" · ")}</small> : null;
}

function Metric({ model, clock }: { model: FleetModel; clock: string }) {
  const dated = datedOf(model, clock);
  const now = lastOf(model);
  const decimals = decimalsOf(now);
  return (
    <>
      <td className="spark-cell" data-tip={sayOf(model)}>
        {model.line ? (
          <Spark line={model.line} reference={model.reference} references={model.references ?? null} dashed={model.source === "estimated"} label={sayOf(model)} />
        ) : (
          <span className="muted">not enough data</span>
        )}
      </td>
      <td className="number metric-cell">
        {now ? (
          <>
            <b>{fixed(now.value, decimals, model.unit)}</b>
            <small>
              {model.title}
              {model.source === "estimated" && ", estimated"}
              {dated && `, ${dated}`}
            </small>
          </>
        ) : (
          <small>{model.title || "no task yet"}</small>
        )}
      </td>
    </>
  );
}

function Row({ model, zone }: { model: FleetModel; zone: string }) {
  const rows = model.rows.reduce((a, b) => a + b, 0);
  const worst = model.open[0];
  const clock = zone === "utc" || !model.zone ? "UTC" : model.zone;
  return (
    <tr data-model={model.model}>
      <th scope="row">
        <Link to={pathTo("model", model.environment, model.model)} className="model-name">
          <bdi>{model.model}</bdi>
        </Link>
        <small>
          {model.environment !== "production" && <bdi>{model.environment} · </bdi>}
          {model.serving ? <>version <bdi>{model.serving}</bdi></> : "no version serves"}
          {model.versions > 1 && ` of ${model.versions}`}
        </small>
      </th>
      <td className="status-cell">
        <Chip verdict={model.status} />
        <small title={model.words}>
          {worst ? (
            <Link to={pathTo("incident", worst.id)}>
              <bdi>{worst.title}</bdi>
              {model.open.length > 1 && ` and ${model.open.length - 1} more`}
            </Link>
          ) : (
            model.words
          )}
        </small>
      </td>
      <Metric model={model} clock={clock} />
      <td className="traffic-cell" data-tip={`${count(rows)} rows in ${model.rows.length} days\nlast ${count(model.rows.at(-1) ?? 0)}`}>
        {model.rows.length > 0 && <Bars values={model.rows} label={`${count(rows)} rows in ${model.rows.length} days`} />}
        <small>{count(rows)} rows</small>
      </td>
      <td className="number coverage-cell">
        {model.coverage === null ? <small>–</small> : percent(model.coverage, 0)}
        <span className="meter current" aria-hidden="true">
          <i style={{ width: `${(model.coverage ?? 0) * 100}%` }} />
        </span>
      </td>
      <td className="last-cell">
        <small>{windowOf(model, clock)}</small>
        <Troubles model={model} />
      </td>
    </tr>
  );
}

function Tally({ models, show, setShow }: { models: FleetModel[]; show: string; setShow: (show: string) => void }) {
  const counts = VERDICTS.map((v): [VerdictName, number] => [v, models.filter((m) => m.status === v).length]);
  return (
    <div className="tally-cards" role="group" aria-label="models by status">
      {counts.map(([verdict, n]) => (
        <button key={verdict} type="button" aria-pressed={show === verdict} disabled={!n} onClick={() => setShow(show === verdict ? "all" : verdict)}>
          <b>{n}</b>
          <span>
            <Glyph verdict={verdict} /> {verdict}
          </span>
        </button>
      ))}
    </div>
  );
}

function Table({ view }: { view: FleetView }) {
  const [search, setSearch] = useChoice("q", "");
  const [show, setShow] = useChoice("show", "all", ["all", ...VERDICTS]);
  const [sort, setSort] = useChoice("sort", "status", ["status", "name", "traffic", "coverage"]);
  const [zone] = useChoice("zone", "local", ["local", "utc"]);
  const found = useMemo(() => {
    const typed = search.trim().toLowerCase();
    const traffic = (m: FleetModel) => m.rows.reduce((a, b) => a + b, 0);
    const by: Record<string, (a: FleetModel, b: FleetModel) => number> = {
      status: (a, b) => rank(a) - rank(b) || a.model.localeCompare(b.model),
      name: (a, b) => a.model.localeCompare(b.model),
      traffic: (a, b) => traffic(b) - traffic(a),
      coverage: (a, b) => (a.coverage ?? -1) - (b.coverage ?? -1),
    };
    return view.models
      .filter((m) => (show === "all" || m.status === show) && `${m.model} ${m.environment}`.toLowerCase().includes(typed))
      .toSorted(by[sort]);
  }, [view, search, show, sort]);
  const csv = () =>
    saveCsv("fleet", {
      header: ["model", "environment", "status", "words", "serving", "metric", "source", "value", "low", "high", "n", "rows", "coverage", "open_incidents"],
      rows: found.map((m) => {
        const now = lastOf(m);
        return [m.model, m.environment, m.status, m.words, m.serving, m.metric, m.source, now?.value ?? null, now?.low ?? null, now?.high ?? null, now?.n ?? null, m.rows.reduce((a, b) => a + b, 0), m.coverage, m.open.length];
      }),
    }); // prettier-ignore
  return (
    <>
      <Tally models={view.models} show={show} setShow={setShow} />
      <div className="filters">
        <input type="search" value={search} placeholder="Search models" aria-label="Search models" onChange={(event) => setSearch(event.target.value)} />
        <Pick label="sort by" value={sort} options={["status", "name", "traffic", "coverage"].map((s) => [s, s])} onChange={setSort} />
        <span className="found" role="status">
          {found.length === view.models.length ? manyModels(found.length) : `${found.length} of ${manyModels(view.models.length)}`}
        </span>
        <span className="save">
          <button type="button" onClick={csv} aria-label="Save the fleet as CSV">
            CSV
          </button>
        </span>
      </div>
      {found.length === 0 && <p className="nothing">No model is like that.</p>}
      <div className="figure fleet-figure">
        <table className="fleet">
          <thead>
            <tr>
              <th scope="col">model</th>
              <th scope="col">status</th>
              <th scope="col">main metric, {view.days} days</th>
              <th scope="col" className="number">
                now
              </th>
              <th scope="col">traffic</th>
              <th scope="col" className="number">
                labels
              </th>
              <th scope="col">last window</th>
            </tr>
          </thead>
          <tbody>
            {found.map((model) => (
              <Row key={`${model.environment}/${model.model}`} model={model} zone={zone} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

const manyModels = (n: number) => (n === 1 ? "1 model" : `${n} models`);

const headline = (models: FleetModel[]) => {
  const bad = models.filter((m) => m.status === "critical" || m.status === "warning").length;
  if (!models.length) return "No model sends predictions yet.";
  const unknown = models.filter((m) => m.status === "not enough data").length;
  if (bad) return `${bad} of ${manyModels(models.length)} ${bad === 1 ? "needs" : "need"} a look.${unknown ? ` Of ${unknown} too little is known to say.` : ""}`;
  if (models.length === 1) return unknown ? "Too little is known of the one model to say how it is." : "The one model is fine, as far as is known.";
  if (unknown === models.length) return `Too little is known of the ${manyModels(unknown)} to say how they are.`;
  return unknown ? `${models.length - unknown} of ${manyModels(models.length)} ${models.length - unknown === 1 ? "is" : "are"} fine, as far as is known; of ${unknown} too little is known to say.` : `Nothing is known to be wrong with ${manyModels(models.length)}.`;
};

export function Fleet() {
  const shown = useView("fleet", NONE, CONCERN);
  useClock(null);
  return (
    <>
      <PageHead title="Fleet" words={shown.view ? headline(shown.view.models) : "\u00a0"} />
      <Await shown={shown} what="the models">
        {(view) => (
          <>
          <OperatorProblem words={view.operator_problem} />
          {view.models.length ? (
            <Table view={view} />
          ) : (
            <div className="nothing start">
              <p>Send predictions and they appear here by themselves:</p>
              <pre>{'log = wk.Logger("late-flights", version="1", url="…", key="wk_…")\nlog.prediction(features, prediction=1, score=0.83)'}</pre>
            </div>
          )}
          </>
        )}
      </Await>
    </>
  );
}
