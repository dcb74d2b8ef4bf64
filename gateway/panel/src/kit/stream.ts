// Live data over server-sent events. Every message carries the whole state, so a lost connection costs nothing but
// time. The stream is read with fetch instead of EventSource: only so can silence (no keep-alive comment) and a
// refused session be told apart from a network that is merely slow.
import { onScopeDispose, reactive, readonly } from "vue";
import { signedOut } from "./api";

export interface ServerEvent {
  event: string;
  data: string;
}

/** Cuts a byte stream into events; chunks may end anywhere. */
export class EventParser {
  private rest = "";

  push(text: string): ServerEvent[] {
    this.rest = (this.rest + text).replace(/\r\n/g, "\n");
    const blocks = this.rest.split("\n\n");
    this.rest = blocks.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const block of blocks) {
      const found = parseBlock(block);
      if (found) events.push(found);
    }
    return events;
  }
}

function parseBlock(block: string): ServerEvent | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return data.length > 0 ? { event, data: data.join("\n") } : null;
}

export interface StreamState<T> {
  phase: "connecting" | "live" | "lost";
  data: T | null;
  /** Local milliseconds when the connection was lost. */
  lostAt: number | null;
  attempt: number;
}
export type StreamAction<T> =
  | { type: "connected" }
  | { type: "message"; data: T }
  | { type: "lost"; at: number };

export function initialState<T>(): StreamState<T> {
  return { phase: "connecting", data: null, lostAt: null, attempt: 0 };
}

/** The old data stays visible while the connection is lost; it is live again only with the next whole state. */
export function step<T>(state: StreamState<T>, action: StreamAction<T>): StreamState<T> {
  switch (action.type) {
    case "connected":
      return state;
    case "message":
      return { phase: "live", data: action.data, lostAt: null, attempt: 0 };
    case "lost":
      return { ...state, phase: "lost", lostAt: state.lostAt ?? action.at, attempt: state.attempt + 1 };
  }
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15000;
/** The server writes a comment each 10 s; two and a half of them missing means nobody is there. */
const SILENCE_MS = 25000;

export function retryDelay(attempt: number, random: number): number {
  const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(base * (0.75 + random * 0.5));
}

class Refused extends Error {}

export function useStream<T>(url: string, event: string, onData?: (data: T) => void) {
  const state = reactive(initialState<T>()) as StreamState<T>;
  let closed = false;
  let abort: AbortController | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const dispatch = (action: StreamAction<T>) => Object.assign(state, step(state, action));

  async function read(): Promise<void> {
    abort = new AbortController();
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort?.abort(), SILENCE_MS);
    };
    try {
      alive();
      const response = await fetch(url, { signal: abort.signal, headers: { accept: "text/event-stream" } });
      if (response.status === 401) {
        signedOut();
        throw new Refused();
      }
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      dispatch({ type: "connected" });
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Error("closed by the server");
        alive();
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          if (message.event !== event) continue;
          const data = JSON.parse(message.data) as T;
          dispatch({ type: "message", data });
          onData?.(data);
        }
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  async function run(): Promise<void> {
    if (closed) return;
    try {
      await read();
    } catch (error) {
      if (closed) return;
      dispatch({ type: "lost", at: Date.now() });
      if (error instanceof Refused) return;
      retry = setTimeout(run, retryDelay(state.attempt, Math.random()));
    }
  }

  function retryNow(): void {
    if (closed || state.phase !== "lost") return;
    clearTimeout(retry);
    void run();
  }

  window.addEventListener("online", retryNow);
  onScopeDispose(() => {
    closed = true;
    clearTimeout(retry);
    abort?.abort();
    window.removeEventListener("online", retryNow);
  });
  void run();
  return { state: readonly(state) as Readonly<StreamState<T>>, retryNow };
}
