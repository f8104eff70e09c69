/** The clock by which a page shows times: the model's own zone, or UTC. */
import { useChoice } from "../../base/state";
import { momentText, wall, type Clock } from "../../base/time";

export function useClock(zone: string | null | undefined): Clock {
  const [chosen] = useChoice("zone", "local", ["local", "utc"]);
  return chosen === "utc" || !zone ? "UTC" : zone;
}

/** The clock of each of many models, where a list names several. */
export function useClocks(): (zone: string | null | undefined) => Clock {
  const [chosen] = useChoice("zone", "local", ["local", "utc"]);
  return (zone) => (chosen === "utc" || !zone ? "UTC" : zone);
}

const ISO = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)/g;
const SPOKEN = /\b(\d{1,2} [A-Z][a-z]+ \d{4}), (\d\d:\d\d) UTC\b/g;

/** A sentence of the server, with the moments in it as the rest of the page shows them. */
export const inZone = (text: string, clock: Clock): string =>
  text.replaceAll(ISO, (at) => when(at, clock)).replaceAll(SPOKEN, (_, day: string, time: string) => when(new Date(`${day} ${time} UTC`).toISOString(), clock));

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
