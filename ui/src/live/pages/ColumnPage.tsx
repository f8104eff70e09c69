/** How is it different? One column beside its reference, now and over time. */
import { useEffect, useMemo, useRef } from "react";
import { count, percent, short } from "../../base/format";
import { saveDrawing, savePng, svgAddress, type Table } from "../../base/save";
import { useChoice } from "../../base/state";
import { momentText, wall, windowText, type Clock } from "../../base/time";
import { DistributionPlot } from "../../charts/DistributionPlot";
import { Figure, Legend, Pick } from "../../charts/Figure";
import { Section } from "../../sections/Section";
import type { Distribution } from "../../view";
import { HeatMap, HeatScale, saveHeat, type HeatHandle, type HeatRow } from "../charts/HeatMap";
import { Known, SeriesFigure } from "../charts/SeriesFigure";
import { iso } from "../charts/points";
import { ZoomProvider } from "../charts/zoom";
import type { ColumnView, DistributionsView } from "../documents";
import { Await, PageHead, Tabs } from "../parts/Page";
import { useClock } from "../parts/clock";
import { pathTo } from "../places";
import { useView } from "../views";
import { EVERY } from "./ModelPage";

interface Where {
  model: string;
  environment: string;
  column: string;
}
const WHAT = ["measured", "serving"] as const;
const NOTHING = "not enough data";

function tableOf(d: Distribution): Table {
  if (d.kind === "categorical") {
    const rows = d.values.map((value, i) => [value, d.reference[i] ?? null, d.current[i] ?? null]);
    return { header: ["value", "reference", "current"], rows: d.other ? [...rows, ["(other)", ...d.other]] : rows };
  }
  return { header: ["from", "to", "reference", "current"], rows: d.reference.map((share, i) => [d.edges[i] ?? null, d.edges[i + 1] ?? null, share, d.current[i] ?? null]) };
}

/** Where no reference is, the column stands beside itself, which would only mislead: its own bars alone are drawn. */
function alone(d: Distribution): Distribution {
  return { ...d, reference: d.reference.map(() => 0) };
}

function Now({ view, clock, at, setAt }: { view: ColumnView; clock: Clock; at: string; setAt: (at: string) => void }) {
  const picture = useRef<SVGSVGElement>(null);
  const title = `Distribution of ${view.column}`;
  const png = () => {
    const svg = picture.current;
    return svg ? savePng(title, svgAddress(svg, svg.clientWidth, svg.clientHeight), svg.clientWidth, svg.clientHeight) : undefined;
  };
  const { start, end } = view.windows;
  const options = start.map((s, i): [string, string] => [`${s}-${end[i] ?? s}`, windowText(iso(s), iso(end[i] ?? s), clock)]).toReversed();
  const drawn = view.distribution && (view.has_reference ? view.distribution : alone(view.distribution));
  return (
    <Figure
      title={title}
      hint={<Legend items={[...(view.has_reference ? ([["reference", "reference"]] as [string, string][]) : []), ["current", `${count(view.rows)} rows`]]} />}
      controls={<Pick label="window" value={at || `${start.at(-1) ?? ""}-${end.at(-1) ?? ""}`} options={[...options, ["all", "all that is drawn"]]} onChange={setAt} />}
      csv={() => (view.distribution ? tableOf(view.distribution) : { header: ["value"], rows: [] })}
      png={png}
    >
      <div className="column-plot">
        {drawn ? (
          <DistributionPlot distribution={drawn} label={`${title}, ${count(view.rows)} rows`} picture={picture} />
        ) : (
          <p className="nothing grey">{NOTHING}</p>
        )}
      </div>
    </Figure>
  );
}

function binName(view: DistributionsView, i: number): string {
  const edges = view.edges;
  return edges ? `${short(edges[i] ?? null, 3)} to ${short(edges[i + 1] ?? null, 3)}` : String(view.bins[i]);
}

function Heat({ view, clock }: { view: DistributionsView; clock: Clock }) {
  const heat = useRef<HeatHandle>(null);
  const most = useMemo(() => Math.max(...view.shares.flatMap((s) => s ?? []), 1e-9), [view]);
  const rows = useMemo(() => {
    const made = view.bins.map(
      (_, b): HeatRow => ({
        key: String(b),
        name: binName(view, b),
        // Of two dozen bins only every third has room for its lower edge.
        label: view.edges ? <span className="number">{b % 3 === 0 && short(view.edges[b] ?? null, 3)}</span> : <bdi>{String(view.bins[b])}</bdi>,
        values: view.shares.map((s) => (s ? Math.sqrt((s[b] ?? 0) / most) : null)),
        say: (i) => {
          const share = view.shares[i]?.[b];
          const before = view.reference?.[b];
          return share === undefined ? NOTHING : `${percent(share, 2)}${before == null ? "" : `, in the reference ${percent(before, 2)}`}, n = ${count(view.windows.rows[i] ?? 0)}`;
        },
      }),
    );
    return view.edges ? made.toReversed() : made; // numbers grow upwards
  }, [view, most]);
  const title = `${view.column} over time`;
  if (!rows.length) return <p className="figure nothing grey">{NOTHING}</p>;
  return (
    <Figure
      title={title}
      hint={view.whole ? <HeatScale steps={[0.1, 0.5, 1].map((s) => [Math.sqrt(s), percent(s * most, 0)])} /> : "older windows are being read"}
      csv={() => ({ header: ["start", ...view.bins.map((_, b) => binName(view, b))], rows: view.windows.start.map((s, i) => [iso(s), ...view.bins.map((_, b) => view.shares[i]?.[b] ?? null)]) })}
      png={() => saveHeat(title, heat.current, saveDrawing)}
    >
      <HeatMap rows={rows} windows={view.windows} clock={clock} tall={view.edges ? 10 : 20} narrow={view.edges !== null} handle={heat} label={`Shares of the values of ${view.column} in ${view.windows.start.length} windows`} />
    </Figure>
  );
}

function Body({ view, where, at, setAt, every, setEvery }: { view: ColumnView; where: Where; at: string; setAt: (at: string) => void; every: string; setEvery: (e: string) => void }) {
  const clock = useClock(view.zone);
  const params = useMemo(() => ({ ...where, every }), [where, every]);
  const heat = useView("distributions", params, { what: WHAT, model: where.model, environment: where.environment });
  useEffect(() => {
    if (heat.view && !heat.view.whole) heat.again();
  }, [heat.view, heat.again]);
  const { start, end } = view.windows;
  const metrics = view.drift.map((m): [string, string] => [m.metric, m.title]);
  const [metric, setMetric] = useChoice("metric", metrics[0]?.[0] ?? "", metrics.map(([m]) => m));
  const found = view.drift.find((m) => m.metric === metric);
  // A distance from the reference is zero where nothing moved: what lies within the floor of that is too small to matter.
  const lines = useMemo(() => found && { ...found, reference: found.floor === null ? null : 0 }, [found]);
  const bad = view.quality.filter((m) => m.realised?.value.some((v) => v));
  const span = view.span ? `${momentText(wall(view.span.start, clock))} – ${momentText(wall(view.span.end, clock))}` : NOTHING;
  return (
    <ZoomProvider first={start[0] ?? 0} last={end.at(-1) ?? 1}>
      <PageHead
        title={view.column}
        crumbs={[{ to: "/fleet", text: "Fleet" }, { to: pathTo("model", where.environment, where.model), text: where.model }]}
        words={<>{view.kind ?? "unknown kind"} · {span} · {view.has_reference ? "beside the reference" : "no reference to compare with"}</>}
      />
      <div className="controls-bar column-bar">
        <Tabs label="length of a window" value={every} options={EVERY.filter(([e]) => e === every || view.offered.includes(e))} onChange={setEvery} />
      </div>
      <div className="column-top">
        <Now view={view} clock={clock} at={at} setAt={setAt} />
        <Await shown={heat} what="distributions">
          {(found) => <Heat view={found} clock={clock} />}
        </Await>
      </div>
      {lines && (
        <Section id="drift" title="Drift">
          <SeriesFigure
            title={lines.title}
            hint={<Known lines={lines} />}
            controls={<Pick label="metric" value={metric} options={metrics} onChange={setMetric} />}
            windows={view.windows}
            lines={lines}
            clock={clock}
            height={250}
            slider
            name="measured"
          />
        </Section>
      )}
      <Section id="quality" title="Quality">
        {bad.length ? (
          <div className="pair">
            {bad.map((one) => (
              <SeriesFigure key={one.metric} title={one.title} windows={view.windows} lines={one} clock={clock} height={170} name="measured" />
            ))}
          </div>
        ) : (
          <p className="figure nothing">Nothing is missing, infinite, out of range or new.</p>
        )}
      </Section>
      {view.segments.length > 0 && (
        <Section id="segments" title="Segments in which it moved">
          <div className="pair">
            {view.segments.map((one) => (
              <SeriesFigure key={one.segment} title={`${one.segment}, ${one.title}`} windows={view.windows} lines={one} clock={clock} height={170} name="measured" />
            ))}
          </div>
        </Section>
      )}
    </ZoomProvider>
  );
}

export function ColumnPage({ model, environment, column }: Where) {
  const [every, setEvery] = useChoice("every", "day", EVERY.map(([e]) => e));
  const [at, setAt] = useChoice("at", "");
  const where = useMemo(() => ({ model, environment, column }), [model, environment, column]);
  const plain = useMemo(() => ({ ...where, every }), [where, every]);
  const params = useMemo(() => {
    if (at === "all") return { ...plain, start: "1970-01-02T00:00:00Z", end: "9999-01-01T00:00:00Z" };
    const [from = NaN, to = NaN] = at.split("-").map(Number);
    return to > from ? { ...plain, start: iso(from), end: iso(to) } : plain;
  }, [plain, at]);
  const shown = useView("column", params, { what: WHAT, model, environment });
  return (
    <Await shown={shown} what={`the column ${column}`}>
      {(view) => <Body view={view} where={where} at={at} setAt={setAt} every={every} setEvery={setEvery} />}
    </Await>
  );
}
