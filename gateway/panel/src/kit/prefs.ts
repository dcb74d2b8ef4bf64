// What this browser remembers. Storage may be forbidden; nothing depends on it.

const PREFIX = "zhiban.";

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // A browser in private mode forgets; that is its right.
  }
}

export type Locale = "zh-CN" | "en";
export function rememberedLocale(): Locale {
  return remembered("locale") === "en" ? "en" : "zh-CN";
}
