/** Curves that are drawn once they come near, at a height that is kept for them; arrow keys read them point by point. */
import { useMemo, useRef, useState, type KeyboardEvent, type Ref } from "react";
import { useNear } from "../base/near";
import { useTheme } from "../base/theme";
import { curveOption, type Curves } from "./curve";
import { EChart, type ChartHandle } from "./EChart";

export const CURVE_HEIGHT = 340;

/** The point of a curve that is nearest to a place on the x axis. */
function nearest(x: number[], at: number): number {
  return x.reduce((best, value, i) => (Math.abs(value - at) < Math.abs((x[best] ?? Infinity) - at) ? i : best), 0);
}

function Drawn({ curves, label, handle }: { curves: Curves; label: string; handle: Ref<ChartHandle> }) {
  const { palette } = useTheme();
  const option = useMemo(() => curveOption(curves, palette, getComputedStyle(document.body).fontFamily), [curves, palette]);
  return <EChart option={option} height={CURVE_HEIGHT} label={label} handle={handle} />;
}

export function CurveChart({ curves, label, handle }: { curves: Curves; label: string; handle: Ref<ChartHandle> }) {
  const ref = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartHandle | null>(null);
  const near = useNear(ref);
  const [at, setAt] = useState<number | null>(null);
  const along = useMemo(() => [...new Set(curves.traces.at(-1)?.x ?? [])].sort((a, b) => a - b), [curves]);
  const keep = (made: ChartHandle | null) => {
    chart.current = made;
    if (typeof handle === "function") handle(made);
    else if (handle) handle.current = made;
  };
  const leave = () => {
    setAt(null);
    chart.current?.point(null);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") return leave();
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (step === undefined || !along.length) return undefined;
    event.preventDefault();
    const to = Math.min(along.length - 1, Math.max(0, (at ?? (step > 0 ? -1 : along.length)) + step));
    setAt(to);
    return chart.current?.point(along[to] ?? null);
  };
  const here = at === null ? undefined : along[at];
  const said =
    here === undefined ? "" : curves.traces.map((t) => `${t.side}: ${t.say(nearest(t.x, here)).join(", ")}`).join(". ");
  return (
    <div
      ref={ref}
      className="keyed"
      style={{ height: CURVE_HEIGHT }}
      tabIndex={0}
      role="group"
      aria-label={`${label} Arrow keys read it point by point.`}
      onKeyDown={onKey}
      onBlur={leave}
    >
      {near && <Drawn curves={curves} label={label} handle={keep} />}
      <p className="sr" aria-live="polite">
        {said}
      </p>
    </div>
  );
}
