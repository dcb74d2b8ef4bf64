// The ticket list's filters as they stand in the address and as the server wants them.
import type { Query } from "@/kit/api";

export const PAGE = 50;
export const STATES = ["open", "waiting", "called", "serving", "finished", "no-show", "cancelled", "abandoned", "transferred"] as const;
export const SORTS = ["issued", "waiting", "handling"] as const;

export interface TicketFilter {
  day: string;
  state: string;
  queue: string;
  counter: string;
  staff: string;
  flagged: boolean;
  q: string;
  sort: string;
  dir: string;
  offset: number;
}

export function toServer(filter: TicketFilter): Query {
  return {
    day: filter.day,
    // "open" is the server's shorthand for waiting, called and serving.
    state: filter.state,
    queue: filter.queue,
    counter: filter.counter,
    staff: filter.staff,
    flagged: filter.flagged ? "true" : "",
    q: filter.q,
    sort: filter.sort,
    dir: filter.dir,
  };
}
