/** Files made in the page itself: CSV and PNG, with no server to ask. */
import { resolveColour } from "./theme";

export type Cell = string | number | boolean | null;
export interface Table {
  header: string[];
  rows: Cell[][];
}

/** Spreadsheets run text that begins like a formula; a leading apostrophe keeps a hostile category plain text. */
function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell !== "string") return String(cell);
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csvText = ({ header, rows }: Table) =>
  [header, ...rows].map((row) => row.map(cellText).join(",")).join("\r\n") + "\r\n";

function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const fileName = (title: string, ending: string) =>
  `${
    title
      .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
      .slice(0, 60)
      .replaceAll(/^-|-$/g, "") || "chart"
  }.${ending}`;

export function saveCsv(title: string, table: Table): void {
  saveBlob(new Blob(["\ufeff", csvText(table)], { type: "text/csv;charset=utf-8" }), fileName(title, "csv"));
}

/** Draws a picture under its title on a canvas of twice the size, and saves that. */
export async function savePng(title: string, address: string, width: number, height: number): Promise<void> {
  const image = new Image();
  image.src = address;
  await image.decode();
  saveDrawing(title, image, width, height);
}

/** The same of what is drawn already: a canvas. */
export function saveDrawing(title: string, drawing: CanvasImageSource, width: number, height: number): void {
  const canvas = document.createElement("canvas");
  const [margin, top] = [20, 48];
  canvas.width = (width + 2 * margin) * 2;
  canvas.height = (height + top + margin) * 2;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(2, 2);
  pen.fillStyle = resolveColour("--card");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = resolveColour("--ink");
  pen.font = `600 15px ${getComputedStyle(document.body).fontFamily}`;
  pen.fillText(title, margin, 30, width);
  pen.drawImage(drawing, margin, top, width, height);
  canvas.toBlob((blob) => blob && saveBlob(blob, fileName(title, "png")));
}

/** An SVG as a picture of its own: colours resolved, since variables of the page do not reach into an image. */
export function svgAddress(svg: SVGSVGElement, width: number, height: number): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  copy.setAttribute("font-family", getComputedStyle(document.body).fontFamily);
  const text = new XMLSerializer()
    .serializeToString(copy)
    .replaceAll(/var\((--[a-z-]+)\)/g, (_, name: string) => resolveColour(name));
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
