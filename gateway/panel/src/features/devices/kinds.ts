// Device kinds of the contract, and what a device's condition is.
import type { Device } from "@/api/types";
import type { Tone } from "@/kit/Mark.vue";

export const KINDS = [
  "ticket-machine",
  "caller",
  "evaluation-pad",
  "kiosk",
  "window-screen",
  "led-board",
  "climate-sensor",
  "other",
] as const;

/** From worst to best. */
export const CONDITIONS = ["down", "gone", "degraded", "never", "unknown", "connected", "up", "retired"] as const;
export type Condition = (typeof CONDITIONS)[number];
export const CONDITION_TONES: Record<Condition, Tone> = { down: "bad", gone: "bad", degraded: "warn", never: "calm", unknown: "calm", connected: "good", up: "good", retired: "calm" };

/** What the device says of itself; where it says nothing, whether it is there. */
export function conditionOf(device: Device): Condition {
  if (device.state === "retired") return "retired";
  const { status } = device.health;
  if (device.connected === false) return device.last_report === null ? "never" : "gone";
  if (status === "unknown" && device.connected) return "connected";
  return status;
}
export function inTrouble(device: Device): boolean {
  return ["down", "gone", "degraded"].includes(conditionOf(device));
}
/** What comes in by wire is described in gateway.toml and changed there. */
export function isWired(device: Device): boolean {
  return device.connected === null;
}
