// Who is signed in, on which box, and what they may do.
import { computed, reactive } from "vue";
import type { Session } from "@/api/types";
import { get, post, put, remove, whenSignedOut } from "./api";
import { followSession } from "./clock";

const state = reactive<{ session: Session | null }>({ session: null });

export const session = computed(() => state.session);
export const account = computed(() => state.session?.account ?? null);
export const timeZone = computed(() => state.session?.time_zone ?? "UTC");

export function can(capability: string | undefined): boolean {
  if (!capability) return true;
  return account.value?.capabilities.includes(capability) ?? false;
}

function take(session: Session): Session {
  state.session = session;
  followSession(session.clock);
  return session;
}

export async function loadSession(): Promise<Session> {
  return take(await get<Session>("/api/v1/session"));
}
export async function setUp(body: { code: string; staff: string; name: string; password: string }): Promise<Session> {
  return take(await post<Session>("/api/v1/setup", body));
}
export async function signIn(staff: string, password: string): Promise<Session> {
  return take(await post<Session>("/api/v1/session", { staff, password }));
}
export async function signOut(): Promise<void> {
  await remove("/api/v1/session");
  forgetAccount();
}
export async function changePassword(old: string, fresh: string): Promise<void> {
  await put("/api/v1/session/password", { old, new: fresh });
  await loadSession();
}
export function forgetAccount(): void {
  if (state.session) state.session.account = null;
}

const PASSWORD_MIN = 10;
const PASSWORD_MAX = 200;
const DIFFERENT_MIN = 5;
/** Shorter names and numbers may occur in a password by chance. */
const PERSONAL_MIN = 4;

/** The same rules as the server's, which decides. Characters, not bytes: a Chinese sentence is a good password. */
export function passwordRules(password: string, repeated: string, staff: string, name = "") {
  const lower = password.toLowerCase();
  const length = [...password].length;
  const long = length >= PASSWORD_MIN && length <= PASSWORD_MAX;
  const varied = new Set(lower).size >= DIFFERENT_MIN;
  const within = (part: string) => [...part].length >= PERSONAL_MIN && lower.includes(part.toLowerCase());
  const notStaff = length > 0 && !within(staff) && !within(name);
  const same = password.length > 0 && password === repeated;
  return { long, varied, notStaff, same, ok: long && varied && notStaff && same };
}

export function watchSession(onEnd: () => void): void {
  whenSignedOut(() => {
    forgetAccount();
    onEnd();
  });
}
