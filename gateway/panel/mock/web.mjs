// What both mock programs share: routes, sessions, people, audit, the built pages with the security headers of the
// real programs.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";
const ROLES = {
  "hall-manager": ["floor.read", "tickets.read", "devices.read", "devices.manage", "devices.command", "deadletters.read", "box.read", "box.manage", "people.manage", "masters.read", "masters.propose"],
  "duty-manager": ["floor.read", "tickets.read", "devices.read", "devices.command", "deadletters.read", "box.read", "masters.read"],
  clerk: ["floor.read", "tickets.read", "masters.read"],
  "complaint-officer": ["floor.read", "tickets.read", "masters.read"],
  auditor: ["floor.read", "tickets.read", "audit.read", "halls.read", "halls.drill", "masters.read"],
  "kiosk-administrator": ["floor.read", "devices.read", "devices.command", "masters.read"],
  operator: ["halls.read", "halls.drill", "tickets.read", "devices.read", "box.read", "masters.read", "masters.manage"],
  installer: ["floor.read", "devices.read", "devices.manage", "devices.command", "deadletters.read", "box.read", "box.manage", "people.manage", "fleet.trust", "masters.read", "masters.propose", "masters.manage"],
  "wall-display": ["floor.read"],
};
const TRIES = 5;

export class Problem extends Error {
  constructor(status, code, message, extra = {}) {
    super(message);
    Object.assign(this, { status, code, extra });
  }
}

export function program({ name, kind, code, firstRoles, clock, timeZone, page, routes, port }) {
  const people = new Map();
  const sessions = new Map();
  const audit = [];
  let wrong = 0;

  const log = (who, action, detail = "") => audit.unshift({ id: audit.length + 1, at: clock().now, who, address: "127.0.0.1", action, detail });
  const capabilities = (person) => [...new Set(person.roles.flatMap((role) => ROLES[role] ?? []))];
  const person = (request) => people.get(sessions.get(/zhiban=(\w+)/.exec(request.headers.cookie ?? "")?.[1] ?? "")) ?? null;
  const view = (who) => ({
    setup_needed: people.size === 0,
    program: kind,
    version: "0.1.0",
    name,
    clock: clock(),
    time_zone: timeZone,
    account: who && { staff: who.staff, name: who.name, roles: who.roles, capabilities: capabilities(who), expires: new Date(Date.now() + 8 * 3600e3).toISOString(), must_change_password: who.mustChange },
  });
  const open = (response, who) => {
    const id = randomBytes(12).toString("hex");
    sessions.set(id, who.staff);
    who.last_seen = clock().now;
    response.setHeader("set-cookie", `zhiban=${id}; Path=/; HttpOnly; SameSite=Strict`);
    return view(who);
  };
  const need = (request, capability) => {
    const who = person(request);
    if (!who) throw new Problem(401, "not-signed-in", "sign in first");
    if (capability && !capabilities(who).includes(capability)) throw new Problem(403, "forbidden", "not permitted", { capability });
    return who;
  };
  const strong = (password, field) => {
    if ([...(password ?? "")].length < 10) throw new Problem(422, "invalid", "at least 10 characters", { field });
  };
  const oneTime = () => randomBytes(6).toString("base64url");

  const own = {
    "GET /api/v1/session": ({ request }) => view(person(request)),
    "POST /api/v1/setup": ({ body, response }) => {
      if (people.size > 0) throw new Problem(409, "conflict", "set up already");
      if (body.code !== code) throw new Problem(403, "wrong-code", "wrong setup code");
      strong(body.password, "password");
      const who = { staff: body.staff, name: body.name, roles: firstRoles, password: body.password, active: true, last_seen: null, mustChange: false };
      people.set(who.staff, who);
      log(who.staff, "people.set-up");
      return open(response, who);
    },
    "POST /api/v1/session": ({ body, response }) => {
      if (wrong >= TRIES) {
        wrong = 0;
        response.setHeader("retry-after", "3");
        throw new Problem(429, "too-many", "too many tries");
      }
      const who = people.get(body.staff);
      if (!who || !who.active || who.password !== body.password) {
        wrong += 1;
        log(body.staff, "people.sign-in-failed");
        throw new Problem(401, "wrong-credentials", "wrong staff number or password");
      }
      wrong = 0;
      log(who.staff, "people.sign-in");
      return open(response, who);
    },
    "DELETE /api/v1/session": ({ request }) => {
      sessions.delete(/zhiban=(\w+)/.exec(request.headers.cookie ?? "")?.[1] ?? "");
      return null;
    },
    "PUT /api/v1/session/password": ({ request, body }) => {
      const who = need(request);
      if (who.password !== body.old) throw new Problem(401, "wrong-credentials", "wrong old password");
      strong(body.new, "new");
      Object.assign(who, { password: body.new, mustChange: false });
      log(who.staff, "people.password");
      return null;
    },
    "GET /api/v1/people": ({ request }) => {
      need(request, "people.manage");
      return { people: [...people.values()].map(({ staff, name: own, roles, active, last_seen }) => ({ staff, name: own, roles, active, last_seen })) };
    },
    "POST /api/v1/people": ({ request, body, response }) => {
      const who = need(request, "people.manage");
      if (people.has(body.staff)) throw new Problem(409, "conflict", "staff number exists");
      const password = oneTime();
      people.set(body.staff, { ...body, password, active: true, last_seen: null, mustChange: true });
      log(who.staff, "people.add", body.staff);
      response.statusCode = 201;
      return { staff: body.staff, one_time_password: password };
    },
    "POST /api/v1/people/:staff": ({ request, body, parameters }) => {
      need(request, "people.manage");
      const target = people.get(parameters.staff);
      if (!target) throw new Problem(404, "not-found", "no such person");
      for (const field of ["name", "roles", "active"]) if (body[field] !== undefined) target[field] = body[field];
      if (!body.reset_password) return { one_time_password: null };
      Object.assign(target, { password: oneTime(), mustChange: true });
      return { one_time_password: target.password };
    },
    "GET /api/v1/audit": ({ request, query }) => {
      need(request, "audit.read");
      const before = Number(query.get("before")) || Number.POSITIVE_INFINITY;
      return { entries: audit.filter((entry) => entry.id < before).slice(0, Number(query.get("limit")) || 50) };
    },
  };
  const table = Object.entries({ ...own, ...routes({ need, log }) }).map(([key, handler]) => {
    const [method, path] = key.split(" ");
    return { method, parts: path.split("/"), handler };
  });

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://mock");
    try {
      if (url.pathname.startsWith("/api/") || url.pathname === "/health") await api(request, response, url);
      else if (url.pathname === "/status") send(response, 200, "text/html; charset=utf-8", "<!doctype html><title>status</title><h1>status</h1>");
      else asset(response, url.pathname);
    } catch (error) {
      if (!(error instanceof Problem)) console.error(error);
      const { status = 500, code: errorCode = "unavailable", message, extra = {} } = error;
      send(response, status, "application/json", JSON.stringify({ error: { code: errorCode, message, ...extra } }));
    }
  });

  async function api(request, response, url) {
    const parts = url.pathname.split("/").map(decodeURIComponent);
    for (const route of table) {
      if (route.method !== request.method || route.parts.length !== parts.length) continue;
      const parameters = {};
      const fits = route.parts.every((part, index) => {
        if (!part.startsWith(":")) return part === parts[index];
        parameters[part.slice(1)] = parts[index];
        return true;
      });
      if (!fits) continue;
      let text = "";
      for await (const chunk of request) text += chunk;
      const body = text && request.headers["content-type"]?.includes("json") ? JSON.parse(text) : {};
      const answer = await route.handler({ request, response, parameters, query: url.searchParams, body });
      if (answer === undefined) return;
      if (answer === null) {
        response.writeHead(204).end();
        return;
      }
      if (Buffer.isBuffer(answer.file)) send(response, 200, answer.type, answer.file);
      else send(response, response.statusCode, "application/json", JSON.stringify(answer));
      return;
    }
    throw new Problem(404, "not-found", "no such route");
  }

  function asset(response, path) {
    const wanted = path === "/wall" ? "/wall.html" : extname(path) ? normalize(path) : `/${page}`;
    const file = join(DIST, wanted);
    if (!file.startsWith(DIST) || !existsSync(file) || !statSync(file).isFile()) return send(response, 404, "text/plain", "not found");
    response.setHeader("content-security-policy", CSP);
    response.setHeader("x-content-type-options", "nosniff");
    if (existsSync(`${file}.gz`)) {
      response.setHeader("content-encoding", "gzip");
      return send(response, 200, TYPES[extname(file)] ?? "application/octet-stream", readFileSync(`${file}.gz`));
    }
    return send(response, 200, TYPES[extname(file)] ?? "application/octet-stream", readFileSync(file));
  }

  server.listen(port, "127.0.0.1", () => console.log(`${kind} mock on http://127.0.0.1:${server.address().port}/  setup code ${code}`));
  return server;
}

function send(response, status, type, body) {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(body);
}

/** Server-sent events: `produce` is called at once and then on every tick. */
export function stream(request, response, event, produce, everyMs) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const write = () => response.write(`event: ${event}\ndata: ${JSON.stringify(produce())}\n\n`);
  write();
  const data = setInterval(write, everyMs);
  const alive = setInterval(() => response.write(": keep-alive\n\n"), 10000);
  request.on("close", () => {
    clearInterval(data);
    clearInterval(alive);
  });
}
