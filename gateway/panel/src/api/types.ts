// Names for the shapes of the HTTP contract. The shapes themselves are generated from what the Rust routes say
// (`schema.ts`); here they only get short names, and text that is one of a closed list is narrowed to that list.
// Times are RFC 3339 UTC, durations whole seconds, rates basis points. An unknown number is null and never 0.
import type { Central, Gateway } from "./schema";

type G = Gateway.components["schemas"];
type C = Central.components["schemas"];
/** `T` with some fields narrowed; a field that `T` does not have is a mistake. */
type Narrow<T, N extends { [K in keyof N]: K extends keyof T ? T[K] : never }> = Omit<T, keyof N> & N;
/** `T` with the shape of fields the document says nothing of but that they are objects. */
type Shaped<T, N extends { [K in keyof N]: K extends keyof T ? unknown : never }> = Omit<T, keyof N> & N;

/** Errors are made below the routes, so their body is not in the documents. */
export interface ErrorBody {
  error: { code: string; message: string; field?: string; capability?: string; reason?: string; facts?: Json };
}

// Both programs

export type Session = Narrow<G["SessionView"], { program: "gateway" | "central" }>;
export type HallClock = G["ClockView"];
export type Person = G["PersonAccount"];
export type People = G["PeopleView"];
export type OneTimePassword = G["OneTimePassword"];
export type Audit = G["AuditView"];
export type AuditEntry = G["AuditEntry"];
export type Health = C["Report"];

// Gateway

export type CounterState = "open" | "busy" | "break" | "closed";
export type CounterTicket = Narrow<G["CounterTicketView"], { state: "called" | "serving" }>;
export type FloorCounter = Narrow<G["CounterView"], { state: CounterState; ticket: CounterTicket | null }>;
export type FloorQueue = G["QueueView"];
export type Floor = Narrow<G["FloorView"], { counters: FloorCounter[] }>;

export type TicketState = "waiting" | "called" | "serving" | "finished" | "no-show" | "cancelled" | "abandoned";
export type Ticket = Narrow<G["TicketView"], { state: TicketState; class: "ordinary" | "vip" | "priority" }>;
export type Tickets = Narrow<G["TicketsView"], { tickets: Ticket[] }>;
export type TicketEvent = Shaped<G["EventView"], { payload: Json }>;
export type TicketTrail = Shaped<G["TicketTrail"], { ticket: Ticket; events: TicketEvent[] }>;

export type DeviceHealth = "up" | "degraded" | "down" | "unknown";
export type DeviceState = "active" | "suspended" | "retired";
export type CommandFamily = "display" | "restart" | "power";
/** What the schema calls an object is JSON of any shape. */
export type Json = Record<string, unknown>;
export type DevicePart = Shaped<G["PartView"], { state: Json }>;
type DeviceParts = { state: DeviceState; health: Narrow<G["HealthView"], { status: DeviceHealth }>; parts: DevicePart[] };
export type Device = Shaped<G["DeviceView"], DeviceParts>;
export type Miscount = G["Miscount"];
export type Devices = Shaped<G["DevicesView"], { devices: Device[] }>;
export type DeviceDetail = Shaped<G["DeviceDetail"], DeviceParts & { settings: Json | null; accepts: CommandFamily[] }>;
export type DeviceSecret = G["SecretView"];
export type DeviceChange = Partial<Shaped<G["DeviceChange"], { settings: Json | null }>>;
export type NewDevice = Shaped<G["NewDeviceBody"], { settings: Json | null }>;
export type FileEvent = Shaped<G["FileEvent"], { facts: FileFacts | null }>;
/** What there is to know of an entry, by what it is about. */
export interface FileFacts {
  changes?: PartChange[];
  part?: string;
  value?: string;
  owner?: string;
  about?: string;
  granted?: boolean;
  reason?: string | null;
  replaced_by?: string;
  serial?: string;
  address?: string;
  fields?: string[];
  /** Keys of settings that were changed. */
  settings?: string[];
  /** Whether gateway.toml names the device. */
  listed?: boolean;
  kind?: string;
  until?: string | null;
}
export type PartChange = G["PartChange"];
export type DeviceFile = Shaped<G["FileView"], { events: FileEvent[] }>;
export type DeviceRequest = G["RequestView"];
export type DeviceRequests = G["RequestsView"];
export type LineMeaning = G["Meaning"];
export type LinePiece = Narrow<G["PieceView"], { direction: "in" | "out" }>;
export type DeviceLine = Narrow<G["LineView"], { pieces: LinePiece[] }>;
export type CommandBody = G["CommandBody"];
export type DeviceCommand = Narrow<G["CommandView"], { state: "init" | "executing" | "successful" | "failed" }>;
export type DeviceCommands = Narrow<G["CommandsView"], { commands: DeviceCommand[] }>;

/** A form of a driver: the document only says that it is an object. */
export interface FormText {
  zh: string;
  en: string;
}
export interface FormField {
  /** Dotted path below the settings. */
  key: string;
  kind: "link" | "peer" | "text" | "lines" | "number" | "flag" | "choice" | "secret" | "pairs";
  label: FormText;
  help?: FormText | null;
  default?: string | null;
  choices?: string[];
  titles?: string[];
  required?: boolean;
}
export interface DriverForm {
  title: FormText;
  about: FormText;
  unproven: boolean;
  field?: FormField[];
}
export type DriverKind = Shaped<G["KindView"], { form: DriverForm; accepts: CommandFamily[] }>;
export type Drivers = Shaped<G["DriversView"], { drivers: DriverKind[] }>;
export type FoundDevice = Shaped<G["FoundDevice"], { settings: Json; identity: Json }>;
export type Found = Shaped<G["FoundView"], { found: FoundDevice[] }>;

export type Claim = G["ClaimView"];
export type JoinWindow = G["WindowView"];
export type Joining = G["JoiningView"];
export type DecideClaim = G["DecideBody"];
export type DecidedClaim = G["DecidedClaim"];

export type DeviceReport = Narrow<G["ReportView"], { clock: "ok" | "late" | "suspect" }>;
export type DeviceReports = Narrow<G["ReportsView"], { reports: DeviceReport[] }>;
export type DeadLetter = G["LetterView"];
export type DeadLetters = G["LettersView"];

export type DriverState = "running" | "restarting" | "stopped";
type Driver = Narrow<G["DriverView"], { status: DriverState }>;
type Doors = Narrow<G["DoorsView"], { wired: Driver[] }>;
type Journal = Narrow<G["JournalView"], { writer: "running" | "refusing" | "stopped" }>;
export type SetAside = G["SetAsideView"];
export type HallMembership = G["MembershipView"];
export type GatewayBox = Narrow<G["BoxView"], { doors: Doors; journal: Journal }>;

export type Upkeep = Narrow<G["UpkeepView"], { update: (Omit<G["UpdateView"], "outcome"> & { outcome: "installed" | "rolled-back" }) | null }>;
export type FirstSteps = Narrow<
  G["FirstSteps"],
  { steps: Narrow<G["Step"], { step: "password" | "hall" | "network" | "clock" | "devices" | "centre" | "backup" | "alarm" }>[] }
>;

// Central

export type Fresh = C["Fresh"];
export type Hall = C["HallView"];
export type Halls = C["HallsView"];
export type CompareNumbers = C["Numbers"];
export type CompareRow = C["RowView"];
export type Comparison = C["Comparison"];
export type CompareSeries = C["Series"];
export type HallDay = C["DayView"];
export type HallRowsAsked = C["RowsAsked"];
export type Questions = C["QuestionsView"];
export type HallRows = Shaped<C["RowsView"], { rows: Json[] }>;
export type CentralBox = C["BoxView"];
export type FleetMember = Narrow<C["MemberView"], { state: "member" | "invited" | "revoked" | "ended" | "none" }>;
export type FleetTrust = Narrow<C["TrustView"], { halls: FleetMember[] }>;
export type TrustCode = C["CodeView"];
