/** What is written and not applied: it outlives a look at another page, and whoever closes the browser is asked first. */
export interface Draft {
  text: string;
  base: string; // what was stored when the writing began
}

const drafts = new Map<string, Draft>();
const ask = (event: BeforeUnloadEvent) => event.preventDefault();

function watch(): void {
  if (drafts.size) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
}

export const draftOf = (place: string) => drafts.get(place);

export function keepDraft(place: string, text: string, base: string): void {
  if (text === base) drafts.delete(place);
  else drafts.set(place, { text, base });
  watch();
}

/** Whoever logs in next in this window gets nobody else's. */
export function dropDrafts(): void {
  drafts.clear();
  watch();
}
