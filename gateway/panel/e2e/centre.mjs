// The central panel.
import { equal, expect, Visitor } from "./browser.mjs";
import { walkOrganization, walkQuestions } from "./masters.mjs";
import { firstBoot, newColleague, signIn } from "./door.mjs";

export async function walkCentre(browser, tally, { base, code, shots, account, day }) {
  const visitor = await Visitor.enter(browser, base, shots, "centre");
  const { page } = visitor;
  await firstBoot(visitor, tally, account, code);
  await signIn(visitor, tally, account);
  const capabilities = (await visitor.api("/api/v1/session")).account.capabilities;

  await compare(visitor, tally, day);
  const stores = (await visitor.api("/api/v1/halls")).halls;
  await visitor.everywhere(tally, "halls", "/halls", {
    assert: async () => equal(await page.locator(".hall.card").count(), (await visitor.api("/api/v1/halls")).halls.length, "hall cards"),
  });
  if (stores[0]) await hallDay(visitor, tally, stores.find((hall) => hall.fresh === "live") ?? stores[0], day);
  if (stores[0] && capabilities.includes("halls.drill")) await rows(visitor, tally, stores);
  await visitor.everywhere(tally, "box", "/box", {
    prepare: () => page.waitForSelector('[data-health="shown"]'),
    assert: async () => {
      expect((await visitor.text("main")).includes((await visitor.api("/api/v1/box")).listen[0]), "the address is missing");
      equal(await page.locator('[data-health="shown"] tbody tr').count(), (await visitor.health()).parts.length, "parts of the health");
    },
  });
  if (capabilities.includes("masters.manage")) await walkOrganization(visitor, tally);
  if (capabilities.includes("audit.read")) await walkQuestions(visitor, tally);
  if (capabilities.includes("fleet.trust")) await trust(visitor, tally);
  if (capabilities.includes("people.manage")) {
    await visitor.everywhere(tally, "people", "/people");
    await newColleague(visitor, () => Visitor.enter(browser, base, shots, "centre-operator"), tally, { staff: "o", role: "operator", forbidden: "/people" });
  }
  if (capabilities.includes("audit.read")) await visitor.everywhere(tally, "audit", "/audit");
  await visitor.context.close();
}

async function trust(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "trust", "/trust", {
    prepare: () => page.waitForSelector("main table"),
    assert: async () => {
      const found = await visitor.api("/api/v1/trust");
      expect((await visitor.text("main")).includes(found.fingerprint), "the fingerprint is missing");
      equal(await page.locator("main tbody tr").count(), found.halls.length, "halls");
    },
  });
  await tally.check("centre a code is shown once and taken back", async () => {
    await visitor.open("/trust");
    await page.locator("input[name=store]").fill("new-hall");
    await page.locator("form button[type=submit]").click();
    const code = page.locator("[data-dialog=code] input").nth(1);
    await code.waitFor();
    expect(/^([0-9A-Z]{4}-){5}[0-9A-Z]{4}$/.test(await code.inputValue()), "this is no code");
    await page.locator("[data-dialog=code] .el-button--primary").click();
    const row = page.locator("main tbody tr", { hasText: "new-hall" });
    await row.locator("button").first().click();
    await row.waitFor({ state: "detached" });
  });
}

const period = (day) => (day ? `?from=${day}&to=${day}` : "");

async function compare(visitor, tally, day) {
  const { page } = visitor;
  const path = `/${period(day)}`;
  const wanted = async () => {
    const from = new URL(page.url()).searchParams.get("from") ?? (await visitor.api("/api/v1/compare")).from;
    return visitor.api(`/api/v1/compare?from=${from}&to=${new URL(page.url()).searchParams.get("to") ?? from}`);
  };
  await visitor.everywhere(tally, "compare", path, {
    prepare: () => page.waitForSelector('[data-chart="drawn"] svg').catch(() => undefined),
    assert: async () => {
      const found = await wanted();
      equal(await page.locator("main tbody tr").count(), found.rows.length + 1, "rows and the total");
      expect((await visitor.text(".head")).includes(String(found.halls_expected)), "how many halls are complete is missing");
    },
  });
  await visitor.everywhere(tally, "compare-lines", `${path}${path.includes("?") ? "&" : "?"}shape=line&measure=issued`, {
    prepare: () => page.waitForSelector('[data-chart="drawn"] svg'),
  });
  await tally.check("centre no data is a dash, never a zero", async () => {
    await visitor.open(path);
    const found = await wanted();
    for (const row of found.rows) {
      const cells = page.locator("main tbody tr", { hasText: row.name }).first().locator("td");
      const shown = (await cells.nth(3).innerText()).trim();
      if (row.issued === null) expect(shown.startsWith("—"), `${row.name}: unknown tickets shown as ${shown}`);
      const wait = (await cells.nth(6).innerText()).trim();
      if (row.waiting_p50_s === null) expect(wait.startsWith("—"), `${row.name}: unknown wait shown as ${wait}`);
    }
  });
  await tally.check("centre total is the sum of the rows", async () => {
    await visitor.open(path);
    const found = await wanted();
    const sum = found.rows.reduce((all, row) => all + (row.issued ?? 0), 0);
    equal(found.total.issued ?? 0, sum, "total of the server");
    const shown = (await visitor.text('[data-total="issued"]')).replace(/,/g, "");
    const moving = await wanted();
    expect([found.total.issued, moving.total.issued].map(String).includes(shown) || shown.startsWith("—"), `total shown ${shown}`);
  });
  await tally.check("centre sort, measure, peer group, period, CSV", async () => {
    await visitor.open(path);
    await page.locator("main th button").first().click();
    await page.waitForURL((url) => url.searchParams.get("sort") === "name");
    await page.selectOption('select[name="measure"]', "no_show_bp");
    await page.waitForURL((url) => url.searchParams.get("measure") === "no_show_bp");
    const groups = (await wanted()).peer_groups;
    if (groups[0]) {
      await page.selectOption('select[name="peer_group"]', groups[0]);
      const part = await visitor.api(`/api/v1/compare?peer_group=${encodeURIComponent(groups[0])}${path.includes("?") ? `&${path.slice(2)}` : ""}`);
      await visitor.until("the rows of the peer group", async () => (await page.locator("main tbody tr").count()) === part.rows.length + 1);
      await page.selectOption('select[name="peer_group"]', "");
    }
    await page.waitForTimeout(400);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".filters .el-button").click()]);
    expect(download.suggestedFilename().startsWith("compare-"), "CSV has another name");
    await page.locator(".presets button").nth(2).click();
    await page.waitForURL((url) => url.searchParams.get("from") !== url.searchParams.get("to"));
    await page.waitForTimeout(500);
    await visitor.axe();
    await visitor.shot("compare-week");
    equal(visitor.takeFaults(), [], "faults");
  });
  await tally.check("centre row opens the hall's day", async () => {
    await visitor.open(path);
    const link = page.locator("main tbody td.head a").first();
    await link.focus();
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname.startsWith("/halls/"));
    await visitor.ready();
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function hallDay(visitor, tally, hall, day) {
  const { page } = visitor;
  const path = `/halls/${encodeURIComponent(hall.store)}${day ? `?date=${day}` : ""}`;
  await visitor.everywhere(tally, "hall-day", path, {
    prepare: () => page.waitForSelector('[data-chart="drawn"] svg', { timeout: 8000 }).catch(() => undefined),
    assert: async () => expect((await visitor.text("h1")).includes(hall.name), "the hall's name is missing"),
  });
}

/** Rows behind figures: of a hall that answers, of one that does not, and what the hall refuses. Real halls may all be away. */
async function rows(visitor, tally, stores) {
  const { page } = visitor;
  const settled = () => page.waitForSelector('[data-rows="settled"]', { timeout: 15000 });
  const live = stores.find((hall) => hall.fresh === "live");
  await visitor.open("/halls");
  const answers = live && (await page.evaluate(async (store) => {
    const body = JSON.stringify({ rows: "tickets", day: "2020-01-02", limit: 1 });
    return (await fetch(`/api/v1/halls/${store}/rows`, { method: "POST", headers: { "content-type": "application/json" }, body })).ok;
  }, live.store));
  visitor.takeFaults();
  if (!answers) return;
  await visitor.everywhere(tally, "rows", `/halls/${live.store}/rows?date=2020-01-02`, { prepare: settled });
  await visitor.everywhere(tally, "rows-of-a-device", `/halls/${live.store}/rows?rows=reports&device=tm-1`, { prepare: settled });
  await tally.check("centre rows narrow, go on and are exported", async () => {
    await visitor.open(`/halls/${live.store}/rows?date=2020-01-02`);
    await settled();
    const first = await page.locator("main tbody tr").count();
    if (first > 0) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".head .el-button, .beside .el-button").first().click()]);
      expect(download.suggestedFilename().startsWith(`${live.store}-tickets-`), "CSV has another name");
    }
    await page.selectOption('select[name="rows"]', "reports");
    await page.waitForURL((url) => url.searchParams.get("rows") === "reports");
    equal(visitor.takeFaults(), [], "faults");
  });
  const away = stores.find((hall) => hall.fresh === "offline");
  if (!away) return;
  await tally.check("centre a hall that is away is said to be", async () => {
    await visitor.open(`/halls/${away.store}/rows`);
    await settled();
    await page.locator('main [role="alert"]').waitFor();
    await visitor.axe();
    await visitor.shot("rows-away");
    visitor.takeFaults();
  });
}
