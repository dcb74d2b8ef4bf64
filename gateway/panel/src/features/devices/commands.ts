// What a device is asked to do. Pure.
import type { CommandFamily, DeviceCommand } from "@/api/types";
import type { Tone } from "@/kit/Mark.vue";

/** What a person may ask for, by the family a device must understand for it. */
export const ASKS: { what: string; family: CommandFamily; confirm: boolean }[] = [
  { what: "text", family: "display", confirm: false },
  { what: "welcome", family: "display", confirm: false },
  { what: "pause", family: "display", confirm: false },
  { what: "restart", family: "restart", confirm: true },
  { what: "power-on", family: "power", confirm: true },
  { what: "power-off", family: "power", confirm: true },
];
export const COMMAND_TONES: Record<DeviceCommand["state"], Tone> = { init: "calm", executing: "brand", successful: "good", failed: "bad" };

export function isOpen(command: DeviceCommand): boolean {
  return command.state === "init" || command.state === "executing";
}

/** What it is done with: the ticket that is called, the text that is shown. */
export function objectOf({ ticket, text }: { ticket?: string | null; text?: string | null }): string {
  return ticket ?? text ?? "";
}

/** What the device itself said; the words of a driver only repeat what the code says. */
export function quoteOf({ failure, reason }: DeviceCommand): string | null {
  return failure === null || failure === "refused" ? reason : null;
}
