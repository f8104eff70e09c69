/** Requests to the server that the page came from. Everything but reading says that it is the page that asks. */
export type Params = Record<string, string>;

/** What the server said went wrong, in its own sentence. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

async function sentence(answer: Response): Promise<string> {
  try {
    const told = (await answer.json()) as { detail?: unknown };
    if (typeof told.detail === "string") return told.detail;
  } catch {
    // what is no JSON says nothing to people
  }
  return `The server answered ${answer.status}.`;
}

export function addressOf(path: string, params: Params = {}): string {
  const kept = Object.entries(params).filter(([, value]) => value !== "");
  const query = new URLSearchParams(kept).toString();
  return `/api/v1/${path}${query && "?"}${query}`;
}

/** One process answers, so what is asked all at once only makes the first wait for the last: two at a time, in order. */
const AT_ONCE = 2;
const waiting: (() => void)[] = [];
let running = 0;

/** Nothing to wait for is nothing, not a promise: a fetch is under way before the charts above it are drawn. */
function turn(): Promise<void> | null {
  if (running >= AT_ONCE) return new Promise<void>((begin) => waiting.push(begin));
  running += 1;
  return null;
}

function done(): void {
  const next = waiting.shift();
  if (next) next();
  else running -= 1;
}

export async function read(path: string, params: Params, signal?: AbortSignal): Promise<string> {
  const before = turn();
  if (before) await before;
  try {
    const answer = await fetch(addressOf(path, params), { signal: signal ?? null, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Refused(answer.status, await sentence(answer));
    return await answer.text();
  } finally {
    done();
  }
}

export async function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, params: Params = {}): Promise<T> {
  const headers: Record<string, string> = { "X-Watchkeeper": "page" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(addressOf(path, params), {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!answer.ok) throw new Refused(answer.status, await sentence(answer));
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

export const wordsOf = (error: unknown) =>
  error instanceof Refused ? error.message : "The server cannot be reached; is it running?";
