// The words of a page live in one file, each word in both languages on one line. Pure.

/** Chinese first. */
export type Word = readonly [zh: string, en: string];
/** Words by name, in groups. */
export interface Words {
  readonly [name: string]: Word | Words;
}
export interface Messages {
  [name: string]: string | Messages;
}
const LANGUAGES = ["zh-CN", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

function isWord(found: Word | Words): found is Word {
  return Array.isArray(found);
}

/** The words of one language. */
export function inLanguage(words: Words, language: Language): Messages {
  const at = LANGUAGES.indexOf(language);
  return Object.fromEntries(Object.entries(words).map(([name, found]) => [name, isWord(found) ? found[at] : inLanguage(found, language)]));
}
