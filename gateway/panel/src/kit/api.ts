// The only place that talks to the server: same origin, JSON, cookie session.
import type { ErrorBody, Health } from "@/api/types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field: string | null = null,
    readonly retryAfter: number | null = null,
    readonly capability: string | null = null,
    /** Why, in a word of a closed list, and the names and numbers that belong to it. */
    readonly reason: string | null = null,
    readonly facts: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 20000;
let onSignedOut: () => void = () => undefined;

/** Called when a request finds that the session has ended. */
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler;
}
export function signedOut(): void {
  onSignedOut();
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

export function get<T>(path: string, query?: Query): Promise<T> {
  return call<T>("GET", address(path, query));
}
/** A report of health is an answer also when its status says that the program is failing. */
export function getHealth(): Promise<Health> {
  return call<Health>("GET", "/health", undefined, (response) => response.ok || response.status === 503);
}
export function post<T>(path: string, body: unknown, timeoutMs = TIMEOUT_MS): Promise<T> {
  return call<T>("POST", path, body, undefined, timeoutMs);
}
/** Text that is not JSON, such as a table. */
export function postText<T>(path: string, text: string, type: string): Promise<T> {
  return call<T>("POST", path, new Blob([text], { type }));
}
/** A file as it is. */
export function sendFile<T>(method: "POST" | "PUT", path: string, file: Blob): Promise<T> {
  return call<T>(method, path, file, undefined, 120_000);
}
export function put<T>(path: string, body: unknown, query?: Query): Promise<T> {
  return call<T>("PUT", address(path, query), body);
}
export function remove<T>(path: string): Promise<T> {
  return call<T>("DELETE", path);
}

async function call<T>(method: string, path: string, body?: unknown, isAnswer = (response: Response) => response.ok, timeoutMs = TIMEOUT_MS): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body === undefined || body instanceof Blob ? {} : { "content-type": "application/json" },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    throw new ApiError(0, "unreachable", "the server does not answer");
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  if (isAnswer(response)) {
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ApiError(response.status, "unreadable", "the answer is not JSON");
    }
  }
  const error = readError(response, text);
  if (error.code === "not-signed-in") onSignedOut();
  throw error;
}

function readError(response: Response, text: string): ApiError {
  const wait = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  try {
    const { error } = JSON.parse(text) as ErrorBody;
    return new ApiError(response.status, error.code, error.message, error.field ?? null, retryAfter, error.capability ?? null, error.reason ?? null, error.facts ?? {});
  } catch {
    return new ApiError(response.status, "other", text.slice(0, 200), null, retryAfter);
  }
}
