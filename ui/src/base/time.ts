/** Times in the document's zone or in UTC. The browser's own zone plays no part: two readers must see the same page. */

export type Clock = string; // an IANA name, or "UTC"

const walls = new Map<string, number>(); // reckoning takes ten microseconds, and charts ask often
const MOST_WALLS = 50_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatter(clock: Clock): Intl.DateTimeFormat {
  const known = formats.get(clock);
  if (known) return known;
  const options = {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  } as const;
  let made: Intl.DateTimeFormat;
  try {
    made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: clock });
  } catch {
    made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }); // a zone that this browser does not know
  }
  formats.set(clock, made);
  return made;
}

/**
 * What a clock on the wall shows, as if it were UTC, so that an axis drawn in UTC has its ticks at local midnights.
 * The hour that a clock repeats in autumn is drawn twice at the same place.
 */
export function wall(iso: string, clock: Clock): number {
  if (clock === "UTC") return Date.parse(iso);
  const known = walls.get(clock + iso);
  if (known !== undefined) return known;
  if (walls.size > MOST_WALLS) walls.clear();
  const found = reckon(iso, clock);
  walls.set(clock + iso, found);
  return found;
}

function reckon(iso: string, clock: Clock): number {
  const parts: Record<string, number> = {};
  for (const part of formatter(clock).formatToParts(new Date(iso))) parts[part.type] = Number(part.value);
  return Date.UTC(
    parts.year ?? 0,
    (parts.month ?? 1) - 1,
    parts.day ?? 1,
    parts.hour ?? 0,
    parts.minute ?? 0,
    parts.second ?? 0,
  );
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number) => String(n).padStart(2, "0");

export function dayText(wallTime: number, withYear = true): string {
  const d = new Date(wallTime);
  return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}${withYear ? ` ${d.getUTCFullYear()}` : ""}`;
}

export function momentText(wallTime: number): string {
  const d = new Date(wallTime);
  const clock = d.getUTCHours() || d.getUTCMinutes() ? `, ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}` : "";
  return dayText(wallTime) + clock;
}

export function spanText(start: string | null, end: string | null, clock: Clock): string {
  if (start === null || end === null) return "no event times";
  const [a, b] = [wall(start, clock), wall(end, clock)];
  const sameYear = new Date(a).getUTCFullYear() === new Date(b).getUTCFullYear();
  return `${dayText(a, !sameYear)} – ${dayText(b)}`;
}

/** A window as a tooltip says it: one day by its date, anything else by both ends. */
export function windowText(start: string, end: string, clock: Clock): string {
  const [a, b] = [wall(start, clock), wall(end, clock)];
  return a % 86_400_000 === 0 && b - a === 86_400_000 ? dayText(a) : `${momentText(a)} – ${momentText(b)}`;
}
