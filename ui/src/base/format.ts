/** Numbers as people read them: as many decimals as the interval earns, true minus signs, thin gaps in thousands. */
import type { Estimate } from "../view";
import { extent } from "./extent";

const MINUS = "\u2212";
const NONE = "–";

export type Unit = string | null;

const isShare = (unit: Unit) => unit === "share";

/** Decimals so that the last one is about a fiftieth of the interval, or finer. */
export function decimalsFor(width: number | null, fallback = 3): number {
  if (width === null || !(width > 0)) return fallback;
  return Math.min(5, Math.max(0, Math.ceil(-Math.log10(width / 50))));
}

const widthOf = (e: Estimate | null) => (e?.low == null || e.high == null ? null : e.high - e.low);

/** One count of decimals for everything in a row, set by its narrowest interval. */
export function sharedDecimals(estimates: (Estimate | null)[]): number {
  const least = extent(estimates.map((e) => widthOf(e) ?? 0).filter((width) => width > 0))?.[0];
  if (least !== undefined) return decimalsFor(least);
  const size = extent(estimates.map((e) => Math.abs(e?.value ?? 0)))?.[1] ?? 0;
  return size >= 1000 ? 0 : size >= 10 ? 1 : 3;
}

export function fixed(value: number | null, decimals: number, unit: Unit = null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const shown = isShare(unit) ? value * 100 : value;
  const places = isShare(unit) ? Math.max(0, Math.min(2, decimals - 2)) : decimals;
  const text = Math.abs(shown).toLocaleString("en-GB", {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
  const sign = shown < 0 && Number(text.replaceAll(",", "")) !== 0 ? MINUS : "";
  return sign + text + suffix(unit);
}

function suffix(unit: Unit): string {
  if (unit === null || unit === "") return "";
  return isShare(unit) || unit === "%" ? "\u202f%" : `\u202f${unit}`;
}

export function signed(value: number | null, decimals: number, unit: Unit = null): string {
  const text = fixed(value, decimals, unit);
  return value !== null && value > 0 && text !== NONE ? `+${text}` : text;
}

export function interval(low: number | null, high: number | null, decimals: number, unit: Unit = null): string {
  if (low === null || high === null) return "";
  return `${fixed(low, decimals, unit === "share" ? unit : null)} to ${fixed(high, decimals, unit)}`;
}

/** Any number in about four figures. */
export function short(value: number | string | null, figures = 4): string {
  if (value === null) return NONE;
  if (typeof value === "string") return value;
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(2).replace("-", MINUS);
  return value
    .toLocaleString("en-GB", { maximumSignificantDigits: size >= 1000 ? Math.ceil(Math.log10(size + 1)) : figures })
    .replace("-", MINUS);
}

export const count = (n: number) => n.toLocaleString("en-GB");

export function percent(share: number | null, decimals = 1): string {
  return share === null ? NONE : `${(share * 100).toFixed(decimals)}\u202f%`;
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  return n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

export const words = (name: string) => name.replaceAll("_", " ");
