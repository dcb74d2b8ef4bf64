// Roles that an account may carry, in the order of the list.
export const ROLES = [
  "hall-manager",
  "duty-manager",
  "clerk",
  "complaint-officer",
  "kiosk-administrator",
  "operator",
  "installer",
  "auditor",
  "wall-display",
] as const;
