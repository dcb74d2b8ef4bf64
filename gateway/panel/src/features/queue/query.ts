// The ticket list's filters as they stand in the address and as the server wants them.
import type { Query } from "@/kit/api";

export const PAGE = 50;
/** "open" and "waiting-or-called" are the server's names for groups of states. */
export const STATES = ["open", "waiting-or-called", "waiting", "called", "serving", "finished", "no-show", "cancelled", "abandoned"] as const;
export const SORTS = ["issued", "waiting", "handling"] as const;

export interface TicketFilter {
  day: string;
  state: string;
  queue: string;
  counter: string;
  staff: string;
  flagged: boolean;
  issued: boolean;
  rated: boolean;
  q: string;
  sort: string;
  dir: string;
  offset: number;
}

export function toServer(filter: TicketFilter): Query {
  return {
    day: filter.day,
    state: filter.state,
    queue: filter.queue,
    counter: filter.counter,
    staff: filter.staff,
    flagged: filter.flagged ? "true" : "",
    issued: filter.issued ? "true" : "",
    rated: filter.rated ? "true" : "",
    q: filter.q,
    sort: filter.sort,
    dir: filter.dir,
  };
}
