// The wall has so few words that it goes without the word machine of the panels.
import { ref } from "vue";
import { type Locale, remember, rememberedLocale } from "@/kit/prefs";
import { wallEn } from "@/words/wall.en";
import { wallZhCN } from "@/words/wall.zh-CN";

export const locale = ref<Locale>(rememberedLocale());
export function setLocale(next: Locale): void {
  locale.value = next;
  document.documentElement.lang = next;
  remember("locale", next);
}

export type WallWord = keyof typeof wallZhCN;
export function w(word: WallWord, values: Record<string, string | number | null> = {}): string {
  const text: string = (locale.value === "en" ? wallEn : wallZhCN)[word];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? "—"));
}
