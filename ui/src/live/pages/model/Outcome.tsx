/** What became of predictions of late, beside the reference; asked for when the reader comes near, for it reads whole profiles. */
import { useEffect, useRef, useState, type ComponentType } from "react";
import { count } from "../../../base/format";
import { useNear } from "../../../base/near";
import { windowText } from "../../../base/time";
import { Section } from "../../../sections/Section";
import type { OutcomeView } from "../../documents";
import { Await } from "../../parts/Page";
import { useView } from "../../views";
import { PART, usePart, type PartProps } from "../ModelPage";

type Parts = ComponentType<{ view: OutcomeView }>;

function useParts(): Parts | null {
  const [found, setFound] = useState<Parts | null>(null);
  useEffect(() => void import("./OutcomeParts").then((made) => setFound(() => made.default)), []);
  return found;
}

function said({ labelled, count: windows, span, version, whole }: OutcomeView, clock: string): string {
  const when = span && windowText(span.start, span.end, clock);
  return `Below, reference against current: current are the ${count(labelled)} rows with labels of the last ${windows === 1 ? "window" : `${windows} windows`} that have any${when ? `, ${when}` : ""}, of version ${version ?? "–"}.${whole ? "" : " Older windows are being read."}`;
}

const empty = (view: OutcomeView) =>
  ![view.confusion, view.calibration, view.curves, view.classes, view.errors, view.lists].some(Boolean);

function Drawn({ view, clock }: { view: OutcomeView; clock: string }) {
  const Parts = useParts();
  if (!view.has_reference) return <p className="figure nothing grey">There is no reference to compare outcomes with.</p>;
  if (empty(view)) return <p className="figure nothing grey">No label has come: not enough data.</p>;
  return (
    <>
      <p className="note">{said(view, clock)}</p>
      <div className="parts">{Parts && <Parts view={view} />}</div>
    </>
  );
}

function Asked({ where, chosen, clock }: PartProps) {
  const shown = useView("outcome", usePart({ where, chosen }), { what: PART, ...where });
  const { view, again } = shown;
  useEffect(() => {
    if (view && !view.whole) again();
  }, [view, again]);
  return (
    <Await shown={shown} what="outcomes">
      {(view) => <Drawn view={view} clock={clock} />}
    </Await>
  );
}

export function Outcome(props: PartProps) {
  const room = useRef<HTMLDivElement>(null);
  const near = useNear(room);
  return (
    <Section id="outcome" title="Outcomes" lead="What became of predictions of late, in the figures of a report.">
      <div ref={room} className="outcome-room">
        {near && <Asked {...props} />}
      </div>
    </Section>
  );
}
