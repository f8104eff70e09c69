/** Rows of cells over time on one canvas: a hundred columns by ninety days are painted in a few milliseconds. */
import { useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode, type Ref } from "react";
import { resolveColour, useTheme, type Palette } from "../../base/theme";
import { dayText, momentText, wall, windowText, type Clock } from "../../base/time";
import type { Num, TimeMark, Windows } from "../documents";
import { iso } from "./points";
import { useZoom } from "./zoom";

export interface HeatRow {
  key: string;
  name: string;            // as text, for tooltips and downloads
  label: ReactNode;
  values: Num[];           // 0..1, the depth of the colour; null is not known
  say: (i: number) => string;
}
export interface HeatHandle {
  canvas: () => HTMLCanvasElement | null;
}
interface Props {
  rows: HeatRow[];
  windows: Windows;
  marks?: TimeMark[];
  clock: Clock;
  label: string;
  tall?: number;
  narrow?: boolean;
  colour?: keyof Palette;
  handle?: Ref<HeatHandle>;
}

const FOOT = 20;
const FINGER = 28; // a row that bears a link must be high enough to be hit
const touched = () => matchMedia("(pointer: coarse)").matches;
const NO_MARKS: TimeMark[] = [];
const NAMES = 220;

interface Geometry {
  left: number[];
  right: number[];
  from: number;
  to: number;
}

function useGeometry(windows: Windows, clock: Clock): Geometry {
  const { zoom } = useZoom();
  return useMemo(() => {
    const left = windows.start.map((s) => wall(iso(s), clock));
    const right = windows.end.map((s) => wall(iso(s), clock));
    const [first, last] = [left[0] ?? 0, right.at(-1) ?? 1];
    const at = (percent: number) => first + ((last - first) * percent) / 100;
    return { left, right, from: at(zoom[0]), to: at(zoom[1]) };
  }, [windows, clock, zoom]);
}

interface Painted extends Geometry {
  rows: HeatRow[];
  marks: TimeMark[];
  clock: Clock;
  tall: number;
  palette: Palette;
  fill: string;
}

function ticksOf({ from, to }: Geometry, width: number): number[] {
  const day = 86_400_000;
  const room = Math.max(3, Math.floor(width / 76));
  const span = (to - from) / room;
  const step = [day / 24, day / 8, day / 2, day, 2 * day, 7 * day, 14 * day, 28 * day, 42 * day, 91 * day, 182 * day].find((s) => s >= span) ?? 365 * day;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
}

function paint(canvas: HTMLCanvasElement, width: number, p: Painted): void {
  const height = p.rows.length * p.tall + FOOT;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(ratio, ratio);
  const x = (at: number) => ((at - p.from) / (p.to - p.from || 1)) * width;
  const spans = p.left.map((left, i): [number, number] => [x(left), x(p.right[i] ?? left)]);
  p.rows.forEach((row, r) => {
    const y = r * p.tall;
    spans.forEach(([from, to], i) => {
      if (to < 0 || from > width) return;
      const value = row.values[i];
      const wide = Math.max(to - from - (to - from > 4 ? 1 : 0), 0.8);
      pen.globalAlpha = value == null ? 0.16 : 0.05 + 0.95 * Math.min(1, Math.max(0, value));
      pen.fillStyle = value == null ? p.palette.unknown : p.fill;
      if (value == null) pen.fillRect(from, y + p.tall / 2 - 0.5, wide, 1);
      else pen.fillRect(from, y, wide, p.tall - 1);
    });
  });
  pen.globalAlpha = 0.85;
  for (const mark of p.marks) {
    const at = x(wall(iso(mark.at), p.clock));
    pen.fillStyle = mark.severity ? p.palette[mark.severity] : p.palette.soft;
    pen.fillRect(at - 0.5, 0, 1, height - FOOT);
  }
  pen.globalAlpha = 1;
  pen.fillStyle = p.palette.soft;
  pen.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  let free = 0;
  for (const tick of ticksOf(p, width)) {
    const text = tick % 86_400_000 === 0 ? dayText(tick, false) : momentText(tick).replace(/ \d{4}/, "");
    const wide = pen.measureText(text).width;
    const from = Math.min(Math.max(x(tick) - wide / 2, 0), width - wide);
    if (from < free) continue;
    pen.fillText(text, from, height - 5);
    free = from + wide + 14;
  }
}

function useWidth(ref: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

export function HeatMap({ rows, windows, marks = NO_MARKS, clock, label, tall = touched() ? FINGER : 20, narrow = false, colour = "current", handle }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const holder = useRef<HTMLDivElement>(null);
  const { palette, shade } = useTheme();
  const geometry = useGeometry(windows, clock);
  const width = useWidth(holder);
  const [at, setAt] = useState<[number, number] | null>(null);
  const [keyed, setKeyed] = useState(false);
  useLayoutEffect(() => {
    if (canvas.current && width > 0)
      paint(canvas.current, width, { ...geometry, rows, marks, clock, tall, palette, fill: resolveColour(`--${colour}`) });
  }, [geometry, rows, marks, clock, tall, palette, shade, width, colour]);
  useImperativeHandle(handle, () => ({ canvas: () => (canvas.current ? withNames(canvas.current, rows, tall, palette) : null) }));
  useEffect(() => setAt(null), [windows]);

  const x = (moment: number) => ((moment - geometry.from) / (geometry.to - geometry.from || 1)) * width;
  const find = (px: number, py: number): [number, number] | null => {
    const row = Math.floor(py / tall);
    const moment = geometry.from + (px / (width || 1)) * (geometry.to - geometry.from);
    const i = geometry.left.findIndex((left, j) => moment >= left && moment < (geometry.right[j] ?? left));
    return row >= 0 && row < rows.length && i >= 0 ? [row, i] : null;
  };
  const onPointer = (event: PointerEvent<HTMLCanvasElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setKeyed(false);
    setAt(find(event.clientX - box.left, event.clientY - box.top));
  };
  const onKey = (event: KeyboardEvent) => {
    const [dr, di] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
    if (event.key === "Escape") setAt(null);
    if (!dr && !di) return;
    event.preventDefault();
    setKeyed(true);
    const within = (n: number, most: number) => Math.min(most - 1, Math.max(0, n));
    const [row, i] = at ?? [0, windows.start.length - (di === -1 ? 0 : 1)];
    setAt([within(row + (at ? (dr ?? 0) : 0), rows.length), within(i + (di ?? 0), windows.start.length)]);
  };
  const row = at ? rows[at[0]] : undefined;
  const said = at && row ? `${row.name}\n${windowText(iso(windows.start[at[1]] ?? 0), iso(windows.end[at[1]] ?? 0), clock)}\n${row.say(at[1])}` : "";
  const [from, to] = at ? [x(geometry.left[at[1]] ?? 0), x(geometry.right[at[1]] ?? 0)] : [0, 0];
  const flip = from > width * 0.55;
  return (
    <div className={narrow ? "heat narrow" : "heat"}>
      <ul className="heat-names">
        {rows.map((one) => (
          <li key={one.key} style={{ height: tall }}>
            {one.label}
          </li>
        ))}
      </ul>
      <div
        ref={holder}
        className="heat-plot keyed"
        tabIndex={0}
        role="group"
        aria-label={`${label}. Arrow keys read it cell by cell.`}
        onKeyDown={onKey}
        onBlur={() => setAt(null)}
        style={{ height: rows.length * tall + FOOT }}
      >
        <canvas ref={canvas} role="img" aria-label={label} onPointerMove={onPointer} onPointerDown={onPointer} onPointerLeave={() => setAt(null)} />
        {at && row && (
          <>
            <i className="heat-cell" style={{ left: from, top: at[0] * tall, width: Math.max(to - from, 3), height: tall - 1 }} />
            <p
              className="tip heat-tip"
              style={{ [flip ? "right" : "left"]: flip ? width - from + 8 : to + 8, top: Math.max(0, at[0] * tall - 8) }}
            >
              {said}
            </p>
          </>
        )}
        <p className="sr" aria-live="polite">
          {keyed ? said : ""}
        </p>
      </div>
    </div>
  );
}

/** The picture to save bears the names too, which stand beside the canvas on the page. */
function withNames(from: HTMLCanvasElement, rows: HeatRow[], tall: number, palette: Palette): HTMLCanvasElement {
  const made = document.createElement("canvas");
  const ratio = devicePixelRatio || 1;
  made.width = from.width + NAMES * ratio;
  made.height = from.height;
  const pen = made.getContext("2d");
  if (!pen) return from;
  pen.drawImage(from, NAMES * ratio, 0);
  pen.scale(ratio, ratio);
  pen.fillStyle = palette.ink;
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  rows.forEach((row, r) => pen.fillText([...row.name].length > 30 ? `${[...row.name].slice(0, 29).join("")}…` : row.name, 0, r * tall + tall / 2 + 4, NAMES - 10));
  return made;
}

export function saveHeat(title: string, handle: HeatHandle | null, save: (title: string, drawing: HTMLCanvasElement, width: number, height: number) => void): void {
  const made = handle?.canvas();
  const ratio = devicePixelRatio || 1;
  if (made) save(title, made, made.width / ratio, made.height / ratio);
}

/** What depth of colour means, from nothing to the most. */
export function HeatScale({ steps, colour = "current", unknown = true, words = "" }: { steps: [number, string][]; colour?: keyof Palette; unknown?: boolean; words?: string }) {
  return (
    <span className="heat-scale" aria-hidden="true">
      {steps.map(([depth, text]) => (
        <span key={text}>
          <i style={{ background: `var(--${colour})`, opacity: 0.05 + 0.95 * depth }} />
          {text}
        </span>
      ))}
      {words && <span>{words}</span>}
      {unknown && (
        <span>
          <i className="heat-unknown" />
          not enough data
        </span>
      )}
    </span>
  );
}
