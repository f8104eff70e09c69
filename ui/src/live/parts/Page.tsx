/** The head of a page, and what stands in its place while its document comes or cannot come. */
import type { ReactNode } from "react";
import type { VerdictName } from "../../view";
import { Chip } from "../../charts/Chip";
import { Link } from "../places";
import type { Shown } from "../views";

interface Crumb {
  to: string;
  text: string;
}

export function PageHead({ title, crumbs = [], status, words, children }: { title: string; crumbs?: Crumb[]; status?: VerdictName | null; words?: ReactNode; children?: ReactNode }) {
  return (
    <header className="page-head">
      {crumbs.length > 0 && (
        <nav aria-label="above this page" className="crumbs">
          {crumbs.map(({ to, text }) => (
            <span key={to}>
              <Link to={to}>
                <bdi>{text}</bdi>
              </Link>
            </span>
          ))}
        </nav>
      )}
      <div className="page-title">
        <h1>
          <bdi>{title}</bdi>
        </h1>
        {status && <Chip verdict={status} large />}
      </div>
      {words && <p className="page-words">{words}</p>}
      {children}
    </header>
  );
}

/** What is wrong with the operator's file: until it is mended nobody is told and nothing is done. */
export function OperatorProblem({ words }: { words: string | null | undefined }) {
  if (!words) return null;
  return (
    <p className="trouble operator-problem" role="alert">
      <b>The operator’s file has a fault.</b> {words}
    </p>
  );
}

/** The page once its document is there; a sentence where it cannot come, over what is already shown. */
const FLEET: Crumb = { to: "/fleet", text: "Fleet" };

export function Await<T>({ shown, what, back = FLEET, children }: { shown: Shown<T>; what: string; back?: Crumb; children: (view: T) => ReactNode }) {
  const { view, trouble, missing, again } = shown;
  return (
    <>
      {trouble && (
        <p className="trouble" role="alert">
          {trouble}{" "}
          {missing ? (
            <Link to={back.to}>Go to {back.text}</Link>
          ) : (
            <button type="button" className="quiet-link" onClick={again}>
              Try again
            </button>
          )}
        </p>
      )}
      {view ? children(view) : !trouble && <p className="waiting" role="status">{`Fetching ${what} …`}</p>}
    </>
  );
}

/** A few choices of which one holds, as buttons in a row; the arrow keys move among them. */
export function Tabs({ label, value, options, onChange }: { label: string; value: string; options: [string, string][]; onChange: (value: string) => void }) {
  if (options.length < 2) return null;
  const move = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const i = options.findIndex(([key]) => key === value);
    const to = (i + step + options.length) % options.length;
    onChange(options[to]?.[0] ?? value);
    event.currentTarget.querySelectorAll("button")[to]?.focus();
  };
  return (
    <div className="choices" role="radiogroup" aria-label={label} onKeyDown={move}>
      {options.map(([key, text]) => (
        <button key={key} type="button" role="radio" aria-checked={key === value} tabIndex={key === value ? 0 : -1} onClick={() => onChange(key)}>
          <bdi>{text}</bdi>
        </button>
      ))}
    </div>
  );
}
