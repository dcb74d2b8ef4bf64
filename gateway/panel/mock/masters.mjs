// What flows down, as both mock programs show it: enough of every page to be walked through.
import { plan } from "./plan.mjs";
import { Problem } from "./web.mjs";

const FORMS = {
  families: {
    hall: [
      { key: "name", form: "text", max: 60, required: true, unit: "" },
      { key: "grade", form: "text", max: 60, required: false, unit: "" },
      { key: "address", form: "text", max: 200, required: false, unit: "" },
      { key: "store_type", form: "choice", words: ["own", "franchise", "partner"], required: false, unit: "" },
      { key: "opens", form: "time", required: false, unit: "" },
      { key: "closes", form: "time", required: false, unit: "" },
      { key: "area_m2", form: "number", min: 0, max: 100000, required: false, unit: "m²" },
      { key: "wheelchair_access", form: "flag", required: false, unit: "" },
    ],
    unit: [
      { key: "name", form: "text", max: 60, required: true, unit: "" },
      { key: "level", form: "choice", words: ["group", "province", "city", "centre", "area"], required: true, unit: "" },
    ],
    agent: [{ key: "name", form: "text", max: 60, required: true, unit: "" }],
    threshold: [
      { key: "name", form: "text", max: 60, required: true, unit: "" },
      { key: "value", form: "number", min: -1000000, max: 1000000, required: true, unit: "" },
      { key: "from", form: "day", required: true, unit: "" },
    ],
    announcement: [
      { key: "title", form: "text", max: 100, required: true, unit: "" },
      { key: "text", form: "long", max: 4000, required: true, unit: "" },
      { key: "from", form: "moment", required: true, unit: "" },
      { key: "until", form: "moment", required: true, unit: "" },
    ],
    person: [
      { key: "staff", form: "staff", required: true, unit: "" },
      { key: "name", form: "text", max: 60, required: true, unit: "" },
      { key: "active", form: "flag", required: true, unit: "" },
    ],
  },
  thresholds: [
    { name: "wait-rising-s", min: 30, max: 7200, unit: "s", default: 300 },
    { name: "wait-long-s", min: 60, max: 7200, unit: "s", default: 600 },
  ],
};
const DRAWINGS = [
  { id: "00000000000000d1", kind: "floor-plan", title: "一层平面图", media: "image/png", bytes: 482133, sha256: "aa11bb22cc33dd44", whole: true },
  { id: "00000000000000d2", kind: "circuit", title: "配电箱与回路", media: "application/pdf", bytes: 1204332, sha256: "bb11bb22cc33dd44", whole: true },
];
const drawing = (one) => ({ type: one?.media ?? "image/png", file: one?.media === "application/pdf" ? Buffer.from("%PDF-1.4\n") : plan() });
const MASTER = { name: "中山路营业厅", grade: "A", address: "中山路 1 号", area_m2: 620, wheelchair_access: true };
const HOLDS = [
  { name: "wait-rising-s", value: 300, unit: "s", default: 300, scope: null, from: null },
  { name: "wait-long-s", value: 420, unit: "s", default: 600, scope: "city-1", from: "2020-01-01" },
];

/** What has nothing to say is answered without content. */
function quietly(routes) {
  return Object.fromEntries(Object.entries(routes).map(([route, handler]) => [route, (asked) => handler(asked) ?? null]));
}

/** Routes of the hall. */
export function hallMasters(need, now) {
  const seen = new Set();
  const proposals = [{ id: "00000000000000aa", at: now(), by: "1001", note: null, changes: { area_m2: 640 }, state: "declined", reason: "以图纸为准", decided: now() }];
  const age = () => ({ followed: true, reached: now(), changed: now() });
  let today = { opens: null, closes: null };
  return quietly({
    "GET /api/v1/masters/forms": ({ request }) => (need(request, "masters.read"), { families: { hall: FORMS.families.hall } }),
    "GET /api/v1/masters": ({ request }) => {
      need(request, "masters.read");
      return { age: age(), content: MASTER, complete_percent: 63, taken: now(), above: [{ unit: "city-1", name: "市公司" }, { unit: "group", name: "集团" }], agents: [{ name: "代理甲" }], drawings: [...DRAWINGS, { id: "00000000000000d3", kind: "water", title: "上下水走向", media: "image/jpeg", bytes: 903211, sha256: "cc11bb22cc33dd44", whole: false }], thresholds: HOLDS, unread: [{ family: "weather", scope: "group", id: "w1", why: "a family this version does not know" }], proposals, today: { day: "2020-01-02", ...today } };
    },
    "GET /api/v1/masters/drawings/:drawing": ({ request, parameters }) => (need(request, "masters.read"), drawing(DRAWINGS.find((each) => each.id === parameters.drawing))),
    "POST /api/v1/masters/proposals": ({ request, body }) => {
      need(request, "masters.propose");
      if (Object.keys(body.changes ?? {}).length === 0) throw new Problem(409, "conflict", "one field at least", { reason: "unfit-value", facts: { field: "changes", expected: "one field at least", found: "null" } });
      proposals.unshift({ id: String(proposals.length).padStart(16, "0"), at: now(), by: "1001", note: body.note, changes: body.changes, state: "open", reason: null, decided: null });
    },
    "PUT /api/v1/masters/today": ({ request, body }) => {
      need(request, "masters.propose");
      today = body;
    },
    "GET /api/v1/masters/staff": ({ request }) => (need(request, "people.manage"), { staff: [{ staff: "3001", name: "陈静", post: "营业员", grade: null }] }),
    "GET /api/v1/announcements": ({ request }) => {
      need(request, "masters.read");
      return { age: age(), announcements: [{ change: 7, title: "周五消防演练", text: "17:30 开始，\n请提前清场。", from: "2020-01-01T00:00:00Z", until: "2100-01-01T00:00:00Z", current: true, seen: seen.has(7) }, { change: 5, title: "元旦安排", text: "照常营业。", from: "2019-12-01T00:00:00Z", until: "2020-01-01T00:00:00Z", current: false, seen: true }] };
    },
    "POST /api/v1/announcements/:change/seen": ({ request, parameters }) => {
      need(request, "masters.read");
      seen.add(Number(parameters.change));
    },
    "GET /api/v1/thresholds": ({ request }) => (need(request, "floor.read"), { thresholds: HOLDS }),
  });
}

/** Routes of the centre. */
export function centreMasters(need, now, halls) {
  const units = new Map([["group", { name: "集团", level: "group", parent: null }], ["city-1", { name: "市公司", level: "city", parent: "group" }]]);
  const places = new Map(halls.slice(0, -2).map((hall) => [hall.store, "city-1"]));
  const masters = new Map([[halls[0].store, MASTER]]);
  const drawings = new Map([[halls[0].store, DRAWINGS.map(({ whole: _, ...one }) => one)]]);
  const lists = {
    threshold: [{ scope: "city-1", id: "wait-long-s@2020-01-01", change: 3, content: { name: "wait-long-s", value: 420, from: "2020-01-01" } }],
    announcement: [{ scope: "group", id: "n1", change: 7, content: { title: "周五消防演练", text: "17:30 开始。", from: "2020-01-01T00:00:00Z", until: "2100-01-01T00:00:00Z" } }],
    person: [],
    agent: [],
    definition: [{ scope: "city-1", id: "acme-th1", change: 12, content: { kind: "register-map", text: 'title = "ACME TH1 温湿度"\nsource = "ACME manual 2.1"\n\n[temperature]\nfunction = "input"\naddress = 0\ntype = "i16"\nscale = 0.1\nunit = "celsius"\n' } }],
  };
  const proposals = [{ store: halls[0].store, id: "00000000000000aa", at: now(), received: now(), by: "1001", note: "重新量过", changes: [{ field: "area_m2", now: 620, proposed: 640 }], state: "open", reason: null, decided_by: null, decided: null }];
  /** Halls of a large fleet, in the tree alone. */
  const many = Number(process.env.MOCK_HALLS ?? 0);
  const complete = (store) => (masters.has(store) ? 63 : 0);
  const read = (request) => need(request, "masters.read");
  const manage = (request) => need(request, "masters.manage");
  return quietly({
    "GET /api/v1/masters/forms": ({ request }) => (read(request), FORMS),
    "GET /api/v1/masters/tree": ({ request }) => {
      read(request);
      const more = Array.from({ length: many }, (_, n) => ({ node: `many-${n}`, parent: `many-unit-${n % 30}`, is_hall: true, name: `第 ${n} 营业厅`, level: null, complete_percent: n % 101 }));
      const above = Array.from({ length: Math.min(many, 30) }, (_, n) => ({ node: `many-unit-${n}`, parent: "group", is_hall: false, name: `第 ${n} 市公司`, level: "city", complete_percent: null }));
      const unit = ([node, each]) => ({ node, ...each, is_hall: false, complete_percent: null });
      return { nodes: [...[...units].map(unit), ...halls.map((hall) => ({ node: hall.store, parent: places.get(hall.store) ?? null, is_hall: true, name: hall.name, level: null, complete_percent: complete(hall.store) })), ...above, ...more] };
    },
    "PUT /api/v1/masters/units/:unit": ({ request, body, parameters }) => {
      manage(request);
      units.set(parameters.unit, { name: body.name, level: body.level, parent: body.parent });
    },
    "DELETE /api/v1/masters/units/:unit": ({ request, parameters }) => {
      manage(request);
      const below = [...units.values()].filter((unit) => unit.parent === parameters.unit).length + [...places.values()].filter((unit) => unit === parameters.unit).length;
      if (below > 0) throw new Problem(409, "conflict", "not empty", { reason: "not-empty", facts: { node: parameters.unit, below } });
      units.delete(parameters.unit);
    },
    "GET /api/v1/masters/halls/:store": ({ request, parameters }) => {
      read(request);
      const hall = halls.find((each) => each.store === parameters.store);
      if (!hall) throw new Problem(404, "not-found", "no such hall");
      const content = masters.get(hall.store) ?? {};
      return { store: hall.store, told_name: hall.name, unit: places.get(hall.store) ?? null, above: places.has(hall.store) ? ["city-1", "group"] : [], content, complete_percent: complete(hall.store), drawings: drawings.get(hall.store) ?? [], versions: masters.has(hall.store) ? [{ change: 9, at: now(), who: "1001", content }] : [] };
    },
    "PUT /api/v1/masters/halls/:store": ({ request, body, parameters }) => {
      manage(request);
      masters.set(parameters.store, body);
    },
    "GET /api/v1/masters/halls/:store/drawings/:drawing": ({ request, parameters }) => (read(request), drawing((drawings.get(parameters.store) ?? []).find((each) => each.id === parameters.drawing))),
    "POST /api/v1/masters/halls/:store/drawings": ({ request, query, parameters }) => {
      manage(request);
      const id = Date.now().toString(16).padStart(16, "0");
      const one = { id, kind: query.get("kind"), title: query.get("title"), media: "image/png", bytes: 70, sha256: id };
      drawings.set(parameters.store, [...(drawings.get(parameters.store) ?? []), one]);
      return { id };
    },
    "PUT /api/v1/masters/halls/:store/drawings/:drawing": ({ request, query, parameters }) => {
      manage(request);
      const found = (drawings.get(parameters.store) ?? []).find((each) => each.id === parameters.drawing);
      if (!found) throw new Problem(404, "not-found", "no such drawing");
      Object.assign(found, { kind: query.get("kind"), title: query.get("title") });
    },
    "DELETE /api/v1/masters/halls/:store/drawings/:drawing": ({ request, parameters }) => {
      manage(request);
      drawings.set(parameters.store, (drawings.get(parameters.store) ?? []).filter((each) => each.id !== parameters.drawing));
    },
    "PUT /api/v1/masters/halls/:store/place": ({ request, body, parameters }) => {
      manage(request);
      if (body.unit) places.set(parameters.store, body.unit);
      else places.delete(parameters.store);
    },
    "GET /api/v1/masters/halls/:store/thresholds": ({ request }) => (read(request), { day: "2020-01-02", thresholds: HOLDS }),
    "GET /api/v1/masters/lists/:family": ({ request, parameters }) => (read(request), { documents: lists[parameters.family] ?? [] }),
    "GET /api/v1/masters/lists/:family/:scope/:id/versions": ({ request, parameters }) => {
      read(request);
      const found = lists[parameters.family].find((each) => each.id === parameters.id && each.scope === parameters.scope);
      return { versions: [{ change: found?.change ?? 1, at: now(), who: "1001", content: found?.content ?? null }, { change: 1, at: now(), who: "1002", content: null }] };
    },
    "PUT /api/v1/masters/lists/:family/:scope/:id": ({ request, body, query, parameters }) => {
      manage(request);
      const standing = lists[parameters.family].find((each) => each.id === parameters.id && each.scope === parameters.scope);
      if (standing && query.has("made_from") && Number(query.get("made_from")) !== standing.change) throw new Problem(409, "conflict", "changed meanwhile", { reason: "changed-meanwhile", facts: { who: "1002", change: standing.change } });
      const at = parameters.family === "definition" ? body.text.split("\n").findIndex((line) => line.startsWith("unit") && !line.includes('"')) + 1 : 0;
      if (at > 0) throw new Problem(409, "conflict", "no map", { reason: "unfit-line", facts: { field: "text", line: at, expected: "a register map", found: `line ${at}: invalid string, expected a quotation mark` } });
      const kept = lists[parameters.family].filter((each) => each.id !== parameters.id || each.scope !== parameters.scope);
      lists[parameters.family] = [...kept, { scope: parameters.scope, id: parameters.id, change: (standing?.change ?? 0) + 11, content: body }];
    },
    "DELETE /api/v1/masters/lists/:family/:scope/:id": ({ request, parameters }) => {
      manage(request);
      lists[parameters.family] = lists[parameters.family].filter((each) => each.id !== parameters.id || each.scope !== parameters.scope);
    },
    "GET /api/v1/masters/proposals": ({ request }) => (read(request), { proposals }),
    "POST /api/v1/masters/proposals/:store/:id": ({ request, body, parameters }) => {
      manage(request);
      const found = proposals.find((each) => each.id === parameters.id);
      Object.assign(found ?? {}, { state: body.accept ? "accepted" : "declined", reason: body.reason, decided_by: "1001", decided: now() });
    },
  });
}
