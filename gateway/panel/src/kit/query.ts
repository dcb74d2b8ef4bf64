// Filters live in the address, so that a list can be sent to a colleague and the back button works.
import { useRoute, useRouter } from "vue-router";

export function useQuery() {
  const route = useRoute();
  const router = useRouter();

  function read(key: string, fallback = ""): string {
    const value = route.query[key];
    const first = Array.isArray(value) ? value[0] : value;
    return first ?? fallback;
  }

  /** Empty values leave the address. */
  function write(changes: Record<string, string | number | null | undefined>, replace = true): void {
    const query: Record<string, string> = {};
    for (const [key, value] of Object.entries(route.query)) {
      const first = Array.isArray(value) ? value[0] : value;
      if (first) query[key] = first;
    }
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") delete query[key];
      else query[key] = String(value);
    }
    void router[replace ? "replace" : "push"]({ query });
  }

  return { read, write };
}
