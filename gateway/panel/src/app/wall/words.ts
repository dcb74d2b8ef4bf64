// The wall has so few words that it goes without the word machine of the panels.
import { ref } from "vue";
import { type Locale, remember, rememberedLocale } from "@/kit/prefs";
import { wallWords } from "@/words/wall";

export const locale = ref<Locale>(rememberedLocale());
export function setLocale(next: Locale): void {
  locale.value = next;
  document.documentElement.lang = next;
  remember("locale", next);
}

export type WallWord = keyof typeof wallWords;
export function w(word: WallWord, values: Record<string, string | number | null> = {}): string {
  const [zh, en] = wallWords[word];
  return (locale.value === "en" ? en : zh).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? "—"));
}
