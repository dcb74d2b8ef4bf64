// Changes that wait for a person, and why a device is shut out. Pure.
import type { Claim, Device, DeviceRequest } from "@/api/types";

export interface IdentityChange {
  part: string;
  before: string;
  after: string;
}

/** Reads `serial: S1 → S2, model: K1 → K2`; null when it is something else. */
export function identityChanges(after: string): IdentityChange[] | null {
  const found = after.split(/, (?=(?:vendor|model|serial|mac): )/).map((piece) => /^(\w+): (.*) → (.*)$/s.exec(piece));
  if (found.some((match) => match === null)) return null;
  return (found as RegExpExecArray[]).map(([, part, before, now]) => ({ part, before, after: now }));
}

/** The serial number in `serial S belongs to T`. */
export function clashingSerial(request: DeviceRequest): string {
  return /^serial (.*) belongs to /s.exec(request.after)?.[1] ?? "";
}

/** Who has the serial number of a device that asks: a device of the hall, or nobody but another request. */
export function ownerOf(claim: Claim, devices: readonly Device[]): Device | null {
  return devices.find((device) => device.serial === claim.serial && device.state !== "retired") ?? null;
}

/** Tries that are left, from `not the code this device shows; 4 more tries`. */
export function triesLeft(message: string): number | null {
  const match = /(\d+) more tries/.exec(message);
  return match ? Number(match[1]) : null;
}
