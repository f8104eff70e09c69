/** One tooltip for all marks that carry data-tip. It sets text, never markup, so a column's name can be anything. */
import { useEffect, useRef } from "react";

const GAP = 12;

function place(box: HTMLElement, x: number, y: number): void {
  const { width, height } = box.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + GAP), document.documentElement.clientWidth - width - 8);
  const top = y + GAP + height > innerHeight ? y - height - GAP : y + GAP;
  box.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(8, top))}px)`;
}

export function Tips() {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = ref.current;
    if (!box) return undefined;
    const hide = () => (box.hidden = true);
    const show = (event: Event, x: number, y: number) => {
      const holder = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
      const text = holder?.getAttribute("data-tip");
      if (!text) return hide();
      box.textContent = text;
      box.hidden = false;
      return place(box, x, y);
    };
    const onPointer = (event: PointerEvent) => show(event, event.clientX, event.clientY);
    const onFocus = (event: FocusEvent) => {
      const at = event.target instanceof Element ? event.target.getBoundingClientRect() : null;
      if (at) show(event, at.left + at.width / 3, at.bottom - GAP);
    };
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && hide();
    document.addEventListener("pointermove", onPointer, { passive: true });
    document.addEventListener("focusin", onFocus);
    document.addEventListener("keydown", onKey);
    document.addEventListener("scroll", hide, { passive: true, capture: true });
    return () => {
      document.removeEventListener("pointermove", onPointer);
      document.removeEventListener("focusin", onFocus);
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("scroll", hide, { capture: true });
    };
  }, []);
  return <div ref={ref} className="tip" role="tooltip" hidden />;
}
