/** A chart with its title, what it says in words, and the two ways to take it along. */
import { useId, type ReactNode } from "react";
import { saveCsv, type Table } from "../base/save";

interface Props {
  title: string;
  hint?: ReactNode;
  controls?: ReactNode;
  csv: () => Table;
  png: () => void | Promise<void>;
  className?: string;
  children: ReactNode;
}

export function SaveButtons({ title, csv, png }: Pick<Props, "title" | "csv" | "png">) {
  return (
    <span className="save">
      <button type="button" onClick={() => void png()} aria-label={`Save “${title}” as PNG`}>
        PNG
      </button>
      <button type="button" onClick={() => saveCsv(title, csv())} aria-label={`Save “${title}” as CSV`}>
        CSV
      </button>
    </span>
  );
}

export function Figure({ title, hint, controls, csv, png, className = "", children }: Props) {
  const id = useId();
  return (
    <figure className={`figure ${className}`} aria-labelledby={id}>
      <figcaption>
        <h3 id={id}>{title}</h3>
        {hint && <span className="hint">{hint}</span>}
        <span className="controls">{controls}</span>
        <SaveButtons title={title} csv={csv} png={png} />
      </figcaption>
      {children}
    </figure>
  );
}

/** A labelled choice of one in a few. */
export function Pick({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
}) {
  return (
    <label className="pick">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

const SAMPLES: Record<string, ReactNode> = {
  reference: <circle cx="8" cy="6" r="4" fill="var(--reference)" />,
  current: <circle cx="8" cy="6" r="4.5" fill="var(--current)" />,
  estimate: <path d="M8 1.5 12.5 6 8 10.5 3.5 6Z" fill="var(--card)" stroke="var(--estimate)" strokeWidth="1.5" />,
  powered: <path d="M8 1.5 12.5 6 8 10.5 3.5 6Z" fill="var(--estimate)" />,
  band: <rect width="16" height="12" fill="var(--reference)" opacity="0.18" />,
};

export function Legend({ items }: { items: [keyof typeof SAMPLES & string, string][] }) {
  return (
    <ul className="legend">
      {items.map(([kind, text]) => (
        <li key={kind}>
          <svg width="16" height="12" aria-hidden="true">
            {SAMPLES[kind]}
          </svg>
          {text}
        </li>
      ))}
    </ul>
  );
}
