import type { EChartsCoreOption } from "echarts/core";
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, type Ref } from "react";
import { savePng } from "../base/save";
import { init, type Chart } from "./echarts";

export interface ChartHandle {
  png: (title: string) => Promise<void>;
}

/** An ECharts drawing of a fixed height. Its label says in words what a reader of the screen would hear. */
export function EChart({
  option,
  height,
  label,
  handle,
}: {
  option: EChartsCoreOption;
  height: number;
  label: string;
  handle: Ref<ChartHandle>;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);

  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return undefined;
    const made = init(element, null, { renderer: "canvas" });
    chart.current = made;
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
    const zoom = (made.getOption() as { dataZoom?: { start: number; end: number }[] } | undefined)?.dataZoom?.[0];
    made.setOption(option, { notMerge: true });
    if (zoom) made.dispatchAction({ type: "dataZoom", start: zoom.start, end: zoom.end }); // a new metric keeps the old zoom
    made.getZr().flush(); // a print takes the picture before the next frame
  }, [option]);

  useEffect(() => {
    holder.current?.querySelector("canvas")?.setAttribute("aria-hidden", "true");
  }, []);

  useImperativeHandle(handle, () => ({
    png: async (title) => {
      const element = holder.current;
      if (chart.current && element)
        await savePng(title, chart.current.getDataURL({ pixelRatio: 2 }), element.clientWidth, element.clientHeight);
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
