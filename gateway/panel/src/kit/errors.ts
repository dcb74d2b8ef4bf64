// A failed request in words.
import { ApiError } from "./api";
import { duration } from "./format";
import { useWords } from "./i18n";

export function useErrorWords() {
  const { t, te, code } = useWords();
  return (error: unknown): string => {
    if (!(error instanceof ApiError)) return t("error.other", { message: String(error) });
    if (error.reason && te(`reason.${error.reason}`)) return t(`reason.${error.reason}`, error.facts);
    if (error.code === "too-many") {
      return error.retryAfter === null
        ? t("error.too-many")
        : t("error.too-many-wait", { wait: duration(error.retryAfter) });
    }
    if (error.code === "invalid") {
      const field = error.field && te(`field.${error.field}`) ? t(`field.${error.field}`) : (error.field ?? "");
      if (error.field === "password" || error.field === "new") return t("error.weak-password");
      return t("error.invalid", { field, message: error.message });
    }
    if (error.code === "forbidden") return t("error.forbidden", { capability: code("capability", error.capability) });
    const key = `error.${error.code}`;
    return t(te(key) ? key : "error.other", { message: error.message });
  };
}
