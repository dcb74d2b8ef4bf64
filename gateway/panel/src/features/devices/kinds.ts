// Device kinds of the contract, and what a device's condition is.
import type { Device } from "@/api/types";
import type { Tone } from "@/kit/Mark.vue";
import { shownParts, worst } from "./parts";

export const KINDS = [
  "ticket-machine",
  "caller",
  "evaluation-pad",
  "kiosk",
  "window-screen",
  "led-board",
  "climate-sensor",
  "printer",
  "ups",
  "energy-meter",
  "people-counter",
  "digital-io",
  "queue-system",
  "other",
] as const;

/** From worst to best. */
export const CONDITIONS = ["down", "gone", "faulty", "degraded", "attention", "never", "unknown", "connected", "up", "retired"] as const;
export type Condition = (typeof CONDITIONS)[number];
export const CONDITION_TONES: Record<Condition, Tone> = { down: "bad", gone: "bad", faulty: "bad", degraded: "warn", attention: "warn", never: "calm", unknown: "calm", connected: "good", up: "good", retired: "calm" };

/** What the device says of itself; where it says nothing, whether it is there. A part in need is told before that all is well. */
export function conditionOf(device: Device): Condition {
  if (device.state === "retired") return "retired";
  const { status } = device.health;
  if (device.connected === false) return device.last_report === null ? "never" : "gone";
  if (status === "down" || status === "degraded") return status;
  const parts = worst(shownParts(device.parts).map((part) => part.tone));
  if (parts === "bad") return "faulty";
  if (parts === "warn") return "attention";
  return status === "unknown" && device.connected ? "connected" : status;
}
export function inTrouble(device: Device): boolean {
  return device.state === "suspended" || ["down", "gone", "faulty", "degraded", "attention"].includes(conditionOf(device));
}
/** What comes in by wire is run by a driver of this box. */
export function isWired(device: Device): boolean {
  return device.connected === null;
}

/** Whether it may take part; in use although a change of it waits is a state of its own. */
export type Standing = "active" | "provisional" | "suspended" | "retired";
export const STANDING_TONES: Record<Standing, Tone> = { active: "good", provisional: "warn", suspended: "bad", retired: "calm" };
export function standingOf(device: Device): Standing {
  return device.state === "active" && device.provisional ? "provisional" : device.state;
}

/** Its model is one too many in this hall, and nobody has approved it yet (S0-2.5-3a). */
export function waitsForModel(device: Device): boolean {
  return device.asks.some((ask) => ask.what === "third-model");
}

export const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/;
export function devicePath(device: string): string {
  return `/devices/${encodeURIComponent(device)}`;
}
