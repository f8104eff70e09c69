/** Where one is: pages as places in the address, behind the #, so that each has a link and the server needs to know none. */
import { useCallback, type AnchorHTMLAttributes, type ReactNode } from "react";
import { hashOf, useChoices, type Choices } from "../base/state";

export interface Place {
  page: string;
  parts: string[];
}
/** Choices that hold on every page; all others belong to the page on which they were made. */
export const EVERYWHERE = ["theme", "zone"] as const;

export function placeOf(path: string): Place {
  const [page = "", ...parts] = path.split("/").slice(1).map(unescaped);
  return { page: page || "fleet", parts };
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const pathTo = (page: string, ...parts: (string | number)[]) =>
  `/${[page, ...parts].map((part) => encodeURIComponent(part)).join("/")}`;

export function usePlace(): Place {
  return placeOf(useChoices().path);
}

export function useHref(): (path: string, choices?: Choices) => string {
  const { choices } = useChoices();
  return useCallback(
    (path, more = {}) => {
      const kept = EVERYWHERE.map((name): [string, string] => [name, choices[name] ?? ""]);
      return hashOf({ ...Object.fromEntries(kept), ...more }, path);
    },
    [choices],
  );
}

type Props = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & { to: string; choices?: Choices; children: ReactNode };

export function Link({ to, choices, children, ...rest }: Props) {
  const href = useHref();
  return (
    <a {...rest} href={href(to, choices)}>
      {children}
    </a>
  );
}
