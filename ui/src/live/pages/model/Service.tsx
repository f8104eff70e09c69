/** How the service runs: latency, failures, traffic, and what it costs where that is measured. */
import { useChoice } from "../../../base/state";
import { Pick } from "../../../charts/Figure";
import { Section } from "../../../sections/Section";
import { SeriesFigure } from "../../charts/SeriesFigure";
import type { MetricLines, ModelView } from "../../documents";

const HEIGHT = 190;

function Small({ view, lines, clock, latencies, onPick }: { view: ModelView; lines: MetricLines; clock: string; latencies?: MetricLines[]; onPick?: (metric: string) => void }) {
  return (
    <SeriesFigure
      title={`${latencies ? "Latency" : lines.title}${lines.unit && lines.unit !== "share" ? `, ${lines.unit}` : ""}`}
      controls={latencies && onPick && <Pick label="of" value={lines.metric} options={latencies.map((l) => [l.metric, l.title.replace("Latency, ", "")])} onChange={onPick} />}
      windows={view.windows}
      lines={lines}
      marks={view.marks}
      clock={clock}
      height={HEIGHT}
      name="measured"
    />
  );
}

export function Service({ view, clock }: { view: ModelView; clock: string }) {
  const latencies = view.service.filter((m) => m.metric.startsWith("latency_"));
  const others = view.service.filter((m) => !m.metric.startsWith("latency_"));
  const [metric, setMetric] = useChoice("latency", "latency_p95", latencies.map((m) => m.metric));
  const latency = latencies.find((m) => m.metric === metric) ?? latencies[0];
  if (!view.service.length) return null;
  return (
    <Section id="service" title="Service">
      <div className="pair">
        {latency && <Small view={view} lines={latency} clock={clock} latencies={latencies} onPick={setMetric} />}
        {others.map((lines) => (
          <Small key={lines.metric} view={view} lines={lines} clock={clock} />
        ))}
      </div>
    </Section>
  );
}
