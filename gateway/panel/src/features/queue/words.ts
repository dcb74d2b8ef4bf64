// Tones of ticket states.
import type { TicketState } from "@/api/types";
import type { Tone } from "@/kit/Mark.vue";

export const STATE_TONES: Record<TicketState, Tone> = {
  waiting: "brand",
  called: "warn",
  serving: "good",
  finished: "calm",
  "no-show": "bad",
  cancelled: "calm",
  abandoned: "bad",
};
