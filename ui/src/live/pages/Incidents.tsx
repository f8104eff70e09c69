/** Every incident, the latest first; those that are not resolved unless asked. */
import { useMemo } from "react";
import { useChoice } from "../../base/state";
import { Chip } from "../../charts/Chip";
import { Pick } from "../../charts/Figure";
import type { IncidentSummary } from "../documents";
import { Await, PageHead, Tabs } from "../parts/Page";
import { lasting, useClocks, when } from "../parts/clock";
import { Link, pathTo } from "../places";
import { useView } from "../views";

const NONE = {};
const CONCERN = { what: ["incident", "action"] } as const;
const STATES: [string, string][] = [
  ["unresolved", "Unresolved"],
  ["open", "Open"],
  ["acknowledged", "Acknowledged"],
  ["resolved", "Resolved"],
  ["all", "All"],
];

export function StateWord({ incident }: { incident: Pick<IncidentSummary, "state" | "silenced"> }) {
  return (
    <span className={`state ${incident.state}`}>
      {incident.state}
      {incident.silenced && <small> silenced</small>}
    </span>
  );
}

function Row({ one, clock }: { one: IncidentSummary; clock: string }) {
  return (
    <tr>
      <td className="severity-cell">
        <Chip verdict={one.severity} />
      </td>
      <th scope="row">
        <Link to={pathTo("incident", one.id)}>
          <bdi>{one.title}</bdi>
        </Link>
        <small>
          <Link to={pathTo("model", one.environment, one.model)}>
            <bdi>{one.model}</bdi>
          </Link>
          {one.version && <> version <bdi>{one.version}</bdi></>} · {one.cause}
        </small>
      </th>
      <td>
        <StateWord incident={one} />
      </td>
      <td className="when-cell">
        {when(one.opened, clock)}
        <small>{one.resolved ? `for ${lasting(one.opened, one.resolved)}` : ""}</small>
      </td>
      <td className="number">{one.id}</td>
    </tr>
  );
}

const isUnresolved = (one: IncidentSummary) => one.state !== "resolved";

function headline(all: IncidentSummary[], shown: number): string {
  const waiting = all.filter(isUnresolved).length;
  if (!all.length) return "No incident was ever opened.";
  return `${waiting || "None"} unresolved, ${all.length - waiting} resolved${shown && shown < all.length ? `; ${shown} shown` : ""}.`;
}

/** Why a list is empty: that nothing is wrong is no search without a result. */
function emptyWords(all: IncidentSummary[], state: string, model: string): string {
  if (!all.length) return "No incident was ever opened.";
  if (!model && state === "unresolved") return "Nothing is wrong that anybody knows of: every incident is resolved.";
  return `No incident${model && ` of ${model}`} is ${state === "all" ? "there" : state}.`;
}

export function Incidents() {
  const [state, setState] = useChoice("state", "unresolved", STATES.map(([s]) => s));
  const [model, setModel] = useChoice("of", "");
  const clockOf = useClocks();
  const shown = useView("incidents", NONE, CONCERN);
  const found = useMemo(
    () =>
      (shown.view?.incidents ?? []).filter(
        (one) => (state === "all" || one.state === state || (state === "unresolved" && one.state !== "resolved")) && (!model || one.model === model),
      ),
    [shown.view, state, model],
  );
  const zones = useMemo(() => new Map((shown.view?.models ?? []).map((m) => [`${m.environment}/${m.model}`, m.zone])), [shown.view]);
  return (
    <>
      <PageHead title="Incidents" words={shown.view ? headline(shown.view.incidents, found.length) : "\u00a0"} />
      <Await shown={shown} what="the incidents">
        {(view) => (
          <>
            <div className="controls-bar">
              <Tabs label="state" value={state} options={STATES} onChange={setState} />
              {view.models.length > 1 && (
                <Pick label="model" value={model} options={[["", "all"], ...[...new Set(view.models.map((m) => m.model))].map((m): [string, string] => [m, m])]} onChange={setModel} />
              )}
            </div>
            <div className="figure">
              {found.length ? (
                <table className="incidents">
                  <thead>
                    <tr>
                      <th scope="col">severity</th>
                      <th scope="col">what</th>
                      <th scope="col">state</th>
                      <th scope="col">opened</th>
                      <th scope="col" className="number">
                        number
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {found.map((one) => (
                      <Row key={one.id} one={one} clock={clockOf(zones.get(`${one.environment}/${one.model}`))} />
                    ))}
                  </tbody>
                </table>
              ) : (
                <p className="nothing">{emptyWords(view.incidents, state, model)}</p>
              )}
            </div>
          </>
        )}
      </Await>
    </>
  );
}
