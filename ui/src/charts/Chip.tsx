import type { VerdictName } from "../view";

// A shape for each verdict, so that none rests on colour alone.
const SHAPES: Record<VerdictName, string> = {
  ok: "M2.5 6.5 5 9l4.5-6",
  warning: "M6 1.2 11 10.4H1Z",
  critical: "M6 .6 11.4 6 6 11.4 .6 6Z",
  "not enough data": "M6 2a4 4 0 1 0 .01 0Z",
};

const slug = (verdict: VerdictName) => verdict.replaceAll(" ", "-");

export function Glyph({ verdict }: { verdict: VerdictName }) {
  return (
    <svg className={`glyph ${slug(verdict)}`} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      <path d={SHAPES[verdict]} />
    </svg>
  );
}

/** The verdict in words and shape; nothing where none was given. */
export function Chip({ verdict, large = false }: { verdict: VerdictName | null; large?: boolean }) {
  if (verdict === null) return null;
  return (
    <span className={`chip ${slug(verdict)}${large ? " large" : ""}`}>
      <Glyph verdict={verdict} />
      {verdict}
    </span>
  );
}
