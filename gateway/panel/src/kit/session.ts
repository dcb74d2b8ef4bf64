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

export const PASSWORD_MIN = 10;

/** The browser's own check; the server decides. Characters, not bytes: a Chinese sentence is a good password. */
export function passwordRules(password: string, repeated: string, staff: string) {
  const long = [...password].length >= PASSWORD_MIN;
  const varied = new Set(password).size >= 5;
  const notStaff = password.length > 0 && (staff === "" || !password.includes(staff));
  const same = password.length > 0 && password === repeated;
  return { long, varied, notStaff, same, ok: long && varied && notStaff && same };
}

export function watchSession(onEnd: () => void): void {
  whenSignedOut(() => {
    forgetAccount();
    onEnd();
  });
}
