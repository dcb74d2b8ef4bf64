// Language of the panel. zh-CN first; the choice is remembered and `<html lang>` follows it.
import { createI18n, useI18n } from "vue-i18n";
import { allWords } from "@/words/all";
import { inLanguage } from "@/words/words";
import { type Locale, remember, rememberedLocale } from "./prefs";

export const i18n = createI18n({
  legacy: false,
  locale: rememberedLocale(),
  fallbackLocale: "zh-CN",
  messages: { "zh-CN": inLanguage(allWords, "zh-CN"), en: inLanguage(allWords, "en") },
  // A missing word is a fault that the browser walk must see.
  missing: (locale, key) => {
    console.error(`word missing: ${locale} ${key}`);
    return key;
  },
});

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale;
  document.documentElement.lang = locale;
  remember("locale", locale);
}
export function startLocale(): void {
  setLocale(rememberedLocale());
}

/** Words, plus `code`, which puts a value of a closed list into words and shows unknown values as they are. */
export function useWords() {
  const { t, te, locale } = useI18n();
  const code = (group: string, value: string | null | undefined): string => {
    if (value === null || value === undefined) return "";
    const key = `${group}.${value.replace(/[^A-Za-z0-9-]/g, "_")}`;
    return te(key) ? t(key) : value;
  };
  return { t, te, locale, code };
}
