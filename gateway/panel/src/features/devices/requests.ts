// Who has the serial number that two devices say.
import type { Claim, DecidedClaim, Device } from "@/api/types";

/** A device of the hall, or nobody but another request. */
export function ownerOf(claim: Claim, devices: readonly Device[]): Device | null {
  return devices.find((device) => device.device === claim.owner) ?? null;
}

/** What is said of a decision about a request to join. */
export function decisionWord(claim: Claim | null, answer: DecidedClaim): string {
  if (!answer.device) return "join.refused";
  return claim?.other_models ? "join.approved-waits" : "join.approved";
}
