// Loads one body and keeps the last good one while a reload fails, so that a page never goes blank.
import { type MaybeRefOrGetter, onScopeDispose, ref, shallowRef, toValue, watch, type WatchSource } from "vue";

interface Options {
  /** Reload when any of these change. */
  watch?: WatchSource[];
  /** Reload each so many milliseconds while the page is visible; 0 is never. */
  every?: MaybeRefOrGetter<number>;
}

export function useLoad<T>(fetcher: () => Promise<T>, options: Options = {}) {
  const data = shallowRef<T | null>(null);
  const error = shallowRef<unknown>(null);
  const loading = ref(false);
  let turn = 0;

  async function reload(): Promise<void> {
    const mine = ++turn;
    loading.value = true;
    try {
      const found = await fetcher();
      if (mine !== turn) return;
      data.value = found;
      error.value = null;
    } catch (problem) {
      if (mine === turn) error.value = problem;
    } finally {
      if (mine === turn) loading.value = false;
    }
  }

  if (options.watch) watch(options.watch, () => void reload(), { flush: "post" });
  void reload();
  watch(
    () => toValue(options.every) ?? 0,
    (ms, _before, onCleanup) => {
      if (ms <= 0) return;
      const timer = setInterval(() => {
        if (document.visibilityState === "visible") void reload();
      }, ms);
      onCleanup(() => clearInterval(timer));
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    turn += 1;
  });
  return { data, error, loading, reload };
}
