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

const WHOLE: Record<string, string> = { restart: "restart", "switch on": "power-on", "switch off": "power-off", welcome: "welcome", pause: "pause" };
const BEGINNINGS = ["call", "serving", "text"];

/** The server says it in English, such as `call A012`: the word of the act, and what it is done with. */
export function actOf(what: string): { act: string | null; rest: string } {
  if (what in WHOLE) return { act: WHOLE[what], rest: "" };
  const beginning = BEGINNINGS.find((each) => what.startsWith(`${each} `));
  return beginning ? { act: beginning, rest: what.slice(beginning.length + 1) } : { act: null, rest: what };
}
