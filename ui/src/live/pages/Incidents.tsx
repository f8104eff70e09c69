/** Every incident, the latest first; those that are not resolved unless asked. */
import { useMemo } from "react";
import { useChoice } from "../../base/state";
import { Chip } from "../../charts/Chip";
import { Pick } from "../../charts/Figure";
import type { IncidentSummary } from "../documents";
import { Await, PageHead, Tabs } from "../parts/Page";
import { lasting, useClock, when } from "../parts/clock";
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

export function Incidents() {
  const [state, setState] = useChoice("state", "unresolved", STATES.map(([s]) => s));
  const [model, setModel] = useChoice("of", "");
  const clock = useClock(null);
  const shown = useView("incidents", NONE, CONCERN);
  const found = useMemo(
    () =>
      (shown.view?.incidents ?? []).filter(
        (one) => (state === "all" || one.state === state || (state === "unresolved" && one.state !== "resolved")) && (!model || one.model === model),
      ),
    [shown.view, state, model],
  );
  return (
    <>
      <PageHead title="Incidents" words={shown.view ? `${found.length} of ${shown.view.incidents.length} shown` : "\u00a0"} />
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
                      <Row key={one.id} one={one} clock={clock} />
                    ))}
                  </tbody>
                </table>
              ) : (
                <p className="nothing">{view.incidents.length ? "No incident is like that." : "No incident was ever opened."}</p>
              )}
            </div>
          </>
        )}
      </Await>
    </>
  );
}
