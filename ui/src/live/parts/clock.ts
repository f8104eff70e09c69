/** The clock by which a page shows times: the model's own zone, or UTC. */
import { useChoice } from "../../base/state";
import { momentText, wall, type Clock } from "../../base/time";

export function useClock(zone: string | null | undefined): Clock {
  const [chosen] = useChoice("zone", "local", ["local", "utc"]);
  return chosen === "utc" || !zone ? "UTC" : zone;
}

export const when = (iso: string | null | undefined, clock: Clock) => (iso ? momentText(wall(iso, clock)) : "–");

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** A time between two moments, in its largest unit. */
export function lasting(from: string, to: string): string {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  const [size, unit] = UNITS.find(([s]) => seconds >= s) ?? [1, "s"];
  return `${Math.round(seconds / size)}\u202f${unit}`;
}
