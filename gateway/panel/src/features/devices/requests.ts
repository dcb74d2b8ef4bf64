// Who has the serial number that two devices say.
import type { Claim, Device } from "@/api/types";

/** A device of the hall, or nobody but another request. */
export function ownerOf(claim: Claim, devices: readonly Device[]): Device | null {
  return devices.find((device) => device.device === claim.owner) ?? null;
}
