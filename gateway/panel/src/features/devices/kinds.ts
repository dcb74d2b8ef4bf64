// Device kinds of the contract, and the tone of a device's health.
import type { HealthStatus } from "@/api/types";
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
export const HEALTH_TONES: Record<HealthStatus, Tone> = { up: "good", degraded: "warn", down: "bad", unknown: "calm" };
