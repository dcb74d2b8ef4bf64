// A driver's form being filled in: values, what is wrong with them, and sending them.
import { computed, ref, shallowRef } from "vue";
import type { FormField, Json } from "@/api/types";
import { ApiError } from "@/kit/api";
import { useWords } from "@/kit/i18n";
import { type FormValues, missing, problemOf, settingsOf, valuesOf, wordOf } from "./form";

export function useSettings() {
  const { t } = useWords();
  const fields = shallowRef<FormField[]>([]);
  const before = shallowRef<Json | null>(null);
  const isChange = ref(false);
  const values = ref<FormValues>({});
  const problems = ref<Record<string, string>>({});
  /** What is wrong elsewhere than in a field. */
  const error = ref<unknown>(null);
  const busy = ref(false);
  const settings = computed(() => settingsOf(fields.value, values.value, before.value));

  function begin(asked: FormField[], known: Json | null, ports: readonly string[], isChanging = false): void {
    fields.value = asked;
    before.value = known;
    isChange.value = isChanging;
    values.value = valuesOf(asked, known, ports);
    problems.value = {};
    error.value = null;
  }

  /** Sends the settings by `send`; says whether it went well. */
  async function submit(send: (settings: Json) => Promise<void>): Promise<boolean> {
    problems.value = Object.fromEntries(missing(fields.value, values.value, isChange.value).map((key) => [key, t("wire.must-fill")]));
    error.value = null;
    if (Object.keys(problems.value).length > 0 || busy.value) return false;
    busy.value = true;
    try {
      await send(settings.value);
      return true;
    } catch (problem) {
      place(problem);
      return false;
    } finally {
      busy.value = false;
    }
  }
  function place(problem: unknown): void {
    const found = problemOf(problem, fields.value);
    if (!found) {
      error.value = problem;
      return;
    }
    const { word, values } = wordOf(found);
    const words = t(`wire.${word}`, values);
    if (found.field) problems.value = { [found.field]: words };
    else error.value = new ApiError(422, "other", t("wire.wrong-other", { key: found.key, words }));
  }

  return { fields, before, isChange, values, problems, error, busy, begin, submit };
}
