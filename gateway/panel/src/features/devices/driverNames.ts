// What drivers are called: their forms say it, in both languages.
import { shallowRef } from "vue";
import type { Drivers, FormText } from "@/api/types";
import { get } from "@/kit/api";
import { useWords } from "@/kit/i18n";
import { inLocale } from "./form";

const titles = shallowRef(new Map<string, FormText>());
let isAsked = false;

async function ask(): Promise<void> {
  isAsked = true;
  try {
    const { drivers } = await get<Drivers>("/api/v1/drivers");
    titles.value = new Map(drivers.map((driver) => [driver.name, driver.form.title]));
  } catch {
    // The page that needs them says what is wrong; here the short names will do.
    isAsked = false;
  }
}

export function useDriverNames(): (driver: string) => string {
  const { code, locale } = useWords();
  if (!isAsked) void ask();
  return (driver) => inLocale(titles.value.get(driver), locale.value) || code("driver", driver);
}
