// Shapes of the HTTP contract, one name per body. Times are RFC 3339 UTC, durations integer seconds, rates basis points.
// An unknown number is null and never 0.

export type Timestamp = string;

export interface ErrorBody {
  error: { code: string; message: string; field?: string; capability?: string };
}

// Both programs

export interface HallClock {
  now: Timestamp;
  replay: { speed: number } | null;
}
export interface Account {
  staff: string;
  name: string;
  roles: string[];
  capabilities: string[];
  expires: Timestamp;
  must_change_password?: boolean;
}
export interface Session {
  setup_needed: boolean;
  program: "gateway" | "central";
  version: string;
  name: string;
  clock: HallClock;
  time_zone: string;
  account: Account | null;
}
export interface Person {
  staff: string;
  name: string;
  roles: string[];
  active: boolean;
  last_seen: Timestamp | null;
}
export interface People {
  people: Person[];
}
export interface PersonAdded {
  staff: string;
  one_time_password: string;
}
export interface PersonChanged {
  one_time_password: string | null;
}
export interface AuditEntry {
  id: number;
  at: Timestamp;
  who: string | null;
  address: string | null;
  action: string;
  detail: unknown;
}
export interface Audit {
  entries: AuditEntry[];
}
export interface Health {
  status: "ok" | "degraded" | "failing";
  parts: { part: string; status: "ok" | "degraded" | "failing"; detail: string | null; age_s: number | null }[];
}

// Gateway

export type CounterState = "open" | "busy" | "break" | "closed";
export interface StaffRef {
  staff: string;
  name: string;
}
export interface FloorTotals {
  waiting: number | null;
  in_hall: number | null;
  serving: number | null;
  longest_wait_s: number | null;
  longest_wait_ticket: string | null;
  issued_today: number | null;
  finished_today: number | null;
  no_show_today: number | null;
  abandoned_today: number | null;
  waiting_p50_s: number | null;
  waiting_p90_s: number | null;
  handling_p50_s: number | null;
  rating_mean_x100: number | null;
  rated_today: number | null;
}
export interface FloorQueue {
  queue: string;
  name: string;
  waiting: number | null;
  called: number | null;
  serving: number | null;
  longest_wait_s: number | null;
  longest_wait_ticket: string | null;
  issued_today: number | null;
  finished_today: number | null;
  open_counters: number | null;
  waiting_p50_s: number | null;
}
export interface FloorCounter {
  counter: string;
  name: string;
  state: CounterState;
  since: Timestamp | null;
  staff: StaffRef | null;
  ticket: { number: string; queue: string; state: "called" | "serving"; since: Timestamp } | null;
  finished_today: number | null;
}
export interface FloorClimate {
  device: string;
  temperature_tenths: number | null;
  humidity_tenths: number | null;
  at: Timestamp;
  fresh: boolean;
  in_band: boolean;
}
export interface UplinkBrief {
  connected: boolean;
  backlog: number | null;
  oldest_unsent_s: number | null;
  last_ack: Timestamp | null;
}
export interface Floor {
  at: Timestamp;
  hall: { store: string; name: string };
  day: string;
  totals: FloorTotals;
  queues: FloorQueue[];
  counters: FloorCounter[];
  climate: FloorClimate[];
  freshness: {
    last_event: Timestamp | null;
    journal_lag: number | null;
    uplink: UplinkBrief;
    clock_suspect_devices: number | null;
  };
}

export type TicketState =
  | "waiting"
  | "called"
  | "serving"
  | "finished"
  | "no-show"
  | "cancelled"
  | "abandoned"
  | "transferred";
export interface Ticket {
  number: string;
  queue: string;
  queue_name: string;
  class: "ordinary" | "vip" | "priority";
  state: TicketState;
  issued_at: Timestamp | null;
  called_at: Timestamp | null;
  started_at: Timestamp | null;
  ended_at: Timestamp | null;
  waiting_s: number | null;
  handling_s: number | null;
  counter: string | null;
  staff: StaffRef | null;
  rating: number | null;
  calls: number | null;
  flags: string[];
}
export interface Tickets {
  day: string;
  total: number;
  tickets: Ticket[];
}
export interface TicketEvent {
  id: number;
  at: Timestamp;
  received: Timestamp;
  device: string;
  kind: string;
  counter: string | null;
  staff: StaffRef | string | null;
  flag: string | null;
  payload: Record<string, unknown>;
}
export interface TicketTrail {
  ticket: Ticket;
  events: TicketEvent[];
}

export type HealthStatus = "up" | "down" | "degraded" | "unknown";
export interface Device {
  device: string;
  kind: string;
  name: string;
  counter: string | null;
  driver: string;
  state: "active" | "retired";
  connected: boolean | null;
  address: string | null;
  last_report: Timestamp | null;
  reports: number;
  dead_letters: number;
  clock_suspect: boolean;
  health: { status: HealthStatus; detail: string | null };
}
export interface Devices {
  devices: Device[];
}
export interface DeviceAdded {
  device: string;
  secret: string;
}
export interface DeviceChanged {
  secret: string | null;
}
export interface DeviceReport {
  id: number;
  received: Timestamp;
  time: Timestamp | null;
  kind: string;
  boot: string | number | null;
  seq: number | null;
  clock: "ok" | "suspect" | "late";
  payload: Record<string, unknown>;
}
export interface DeviceReports {
  reports: DeviceReport[];
}
export interface DeadLetter {
  id: number;
  received: Timestamp;
  door: "mqtt" | "http" | "wired";
  device: string | null;
  topic: string | null;
  reason: string;
  reason_code: string;
  payload_text: string | null;
  payload_hex: string;
  size: number;
  truncated: boolean;
}
export interface DeadLetters {
  total: number;
  dropped: number;
  letters: DeadLetter[];
}

export interface WiredDriver {
  device: string;
  driver: string;
  status: string;
  detail: string | null;
  restarts: number;
}
export interface Door {
  listen: string | null;
  connections?: number | null;
  refused?: number | null;
}
export interface GatewayBox {
  store: string;
  epoch: string | number;
  version: string;
  started: Timestamp;
  uptime_s: number;
  clock: HallClock;
  disk: { free_bytes: number | null; total_bytes: number | null; database_bytes: number | null };
  journal: {
    reports: number | null;
    dead_letters: number | null;
    last_id: number | null;
    writer: "running" | "stopped";
    stopped_reason: string | null;
    refused_since: Timestamp | null;
  };
  followers: { name: string; position: number; lag: number }[];
  doors: { mqtt: Door; http: Door; wired: { drivers: WiredDriver[] } };
  uplink: UplinkBrief & { routers: string[]; epoch?: string | number | null };
}

// Central

export type Fresh = "live" | "late" | "offline" | "never";
export interface Hall {
  store: string;
  name: string;
  city: string | null;
  grade: string | null;
  footfall_class: string | null;
  peer_group: string | null;
  last_seen: Timestamp | null;
  fresh: Fresh;
  backlog: number | null;
  version: string | null;
  live: {
    at: Timestamp;
    waiting: number | null;
    in_hall: number | null;
    longest_wait_s: number | null;
    open_counters: number | null;
  } | null;
  first_seen: Timestamp | null;
}
export interface Halls {
  halls: Hall[];
}
export interface CompareNumbers {
  issued: number | null;
  finished: number | null;
  no_show: number | null;
  no_show_bp: number | null;
  abandoned: number | null;
  waiting_n: number | null;
  waiting_p50_s: number | null;
  waiting_p90_s: number | null;
  handling_n: number | null;
  handling_p50_s: number | null;
  ratings: number[] | null;
  rated: number | null;
  unrated: number | null;
  rating_mean_x100: number | null;
  climate_measured_min: number | null;
  climate_in_band_bp: number | null;
  slots_expected: number | null;
  slots_received: number | null;
  completeness_bp: number | null;
}
export interface CompareRow extends CompareNumbers {
  store: string;
  name: string;
  peer_group: string | null;
  data_through: Timestamp | null;
  last_seen: Timestamp | null;
  fresh: Fresh;
  sparkline: (number | null)[];
}
export interface Comparison {
  from: string;
  to: string;
  as_of: Timestamp;
  halls_expected: number;
  halls_complete: number;
  peer_groups: string[];
  rows: CompareRow[];
  total: CompareNumbers;
}
export interface CompareSeries {
  points: Timestamp[];
  series: { store: string; name: string; values: (number | null)[] }[];
}
export interface HallDay {
  store: string;
  name: string;
  date: string;
  time_zone: string;
  slots: {
    start: Timestamp;
    received: boolean;
    issued: number | null;
    started: number | null;
    finished: number | null;
    no_show: number | null;
    waiting_p50_s: number | null;
    waiting_p90_s: number | null;
    handling_p50_s: number | null;
    version: number | null;
  }[];
  queues: {
    queue: string;
    name: string;
    issued: number | null;
    finished: number | null;
    no_show: number | null;
    waiting_p50_s: number | null;
    handling_p50_s: number | null;
  }[];
  counters: {
    counter: string;
    staff: StaffRef | string | null;
    open_s: number | null;
    serving_s: number | null;
    busy_s: number | null;
    break_s: number | null;
    finished: number | null;
  }[];
  climate: {
    start: Timestamp;
    device: string;
    mean_tenths: number | null;
    in_band_min: number | null;
    measured_min: number | null;
  }[];
  completeness_bp: number | null;
  data_through: Timestamp | null;
}
export interface CentralBox {
  version: string;
  started: Timestamp;
  uptime_s: number;
  database_bytes: number | null;
  intake: {
    batches: number | null;
    items: number | null;
    duplicates: number | null;
    dead_letters: number | null;
    last: Timestamp | null;
  };
  stores: { known: number; live: number; late: number; offline: number };
  listen: string[];
}
