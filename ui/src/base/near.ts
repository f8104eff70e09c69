import { useEffect, useLayoutEffect, useState, type RefObject } from "react";

/** True from the moment an element comes within a screen of being seen, or the page is printed; `at once` spares the first frame. */
export function useNear(ref: RefObject<Element | null>, atOnce = false): boolean {
  const [near, setNear] = useState(false);
  useLayoutEffect(() => {
    if (atOnce && ref.current && ref.current.getBoundingClientRect().top < innerHeight) setNear(true);
  }, [ref, atOnce]);
  useEffect(() => {
    const element = ref.current;
    if (near || !element) return undefined;
    const show = () => setNear(true);
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && show(), {
      rootMargin: "100% 0px",
    });
    observer.observe(element);
    addEventListener("beforeprint", show);
    return () => {
      observer.disconnect();
      removeEventListener("beforeprint", show);
    };
  }, [ref, near]);
  return near;
}
