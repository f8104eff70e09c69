import type { EChartsCoreOption } from "echarts/core";
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, type Ref } from "react";
import { saveDrawing } from "../base/save";
import { init, type Chart } from "./echarts";

export interface ChartHandle {
  png: (title: string) => Promise<void>;
  /** Shows what is at a place of the first x axis, as if the pointer were there; null hides it. */
  point: (x: number | null) => void;
}
/** The part of the x axis that is shown, in percent. */
export type Zoom = readonly [number, number];

const zoomOf = (chart: Chart): Zoom | undefined => {
  const found = (chart.getOption() as { dataZoom?: { start: number; end: number }[] } | undefined)?.dataZoom?.[0];
  return found && [found.start, found.end];
};
const near = (a: Zoom, b: Zoom) => Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) < 0.01;

/** An ECharts drawing of a fixed height. Its label says in words what a reader of the screen would hear. */
export function EChart({
  option,
  height,
  label,
  handle,
  zoom,
  onZoom,
}: {
  option: EChartsCoreOption;
  height: number;
  label: string;
  handle: Ref<ChartHandle>;
  zoom?: Zoom;
  onZoom?: (zoom: Zoom) => void;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const told = useRef(onZoom);
  told.current = onZoom;

  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return undefined;
    const made = init(element, null, { renderer: "canvas" });
    chart.current = made;
    made.on("datazoom", () => {
      const now = zoomOf(made);
      if (now) told.current?.(now);
    });
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useLayoutEffect(() => {
    const made = chart.current;
    if (!made) return;
    const before = zoomOf(made);
    made.setOption(option, { notMerge: true });
    if (before) made.dispatchAction({ type: "dataZoom", start: before[0], end: before[1] }); // a new metric keeps the old zoom
    made.getZr().flush(); // a print takes the picture before the next frame
  }, [option]);

  useLayoutEffect(() => {
    const made = chart.current;
    const before = made && zoomOf(made);
    if (made && zoom && before && !near(before, zoom))
      made.dispatchAction({ type: "dataZoom", start: zoom[0], end: zoom[1] });
  }, [zoom, option]);

  useEffect(() => {
    holder.current?.querySelector("canvas")?.setAttribute("aria-hidden", "true");
  }, []);

  useImperativeHandle(handle, () => ({
    point: (x) => {
      const made = chart.current;
      if (x === null) made?.dispatchAction({ type: "hideTip" });
      else if (made) made.dispatchAction({ type: "showTip", x: made.convertToPixel({ xAxisIndex: 0 }, x), y: 60 });
    },
    png: async (title) => {
      const element = holder.current;
      if (chart.current && element)
        saveDrawing(title, chart.current.renderToCanvas({ pixelRatio: 2 }), element.clientWidth, element.clientHeight);
    },
  }));

  return <div ref={holder} className="echart" role="img" aria-label={label} style={{ height }} />;
}

/** A tooltip made of text nodes: names from the data never become markup. */
export function tipNode(title: string, lines: string[]): HTMLElement {
  const box = document.createElement("div");
  box.className = "echart-tip";
  box.append(Object.assign(document.createElement("strong"), { textContent: title }));
  for (const line of lines) box.append(Object.assign(document.createElement("div"), { textContent: line }));
  return box;
}
