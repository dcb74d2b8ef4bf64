// The hall desk panel and the wall display.
import { equal, expect, Visitor } from "./browser.mjs";
import { Cable } from "./cable.mjs";
import { firstBoot, newColleague, signIn } from "./door.mjs";

const figure = (text) => (text.includes("—") ? null : Number(text.replace(/[^\d-]/g, "")));

export async function walkHall(browser, tally, { base, code, shots, account }) {
  const visitor = await Visitor.enter(browser, base, shots, "hall");
  const { page } = visitor;
  await firstBoot(visitor, tally, account, code);
  await signIn(visitor, tally, account);

  await floor(visitor, tally);
  await tickets(visitor, tally);
  await devices(visitor, tally);
  await visitor.everywhere(tally, "box", "/box", {
    assert: async () => {
      const box = await visitor.api("/api/v1/box");
      expect((await visitor.text("main")).includes(box.store), "the hall id is missing");
      equal(await page.locator("main table").first().locator("tbody tr").count(), box.followers.length, "followers");
    },
  });
  await visitor.everywhere(tally, "people", "/people");
  await visitor.everywhere(tally, "password", "/password");
  await visitor.everywhere(tally, "lost", "/no/such/page", { widths: [{ width: 1366, height: 768 }] });
  await newColleague(visitor, () => Visitor.enter(browser, base, shots, "hall-clerk"), tally, { staff: "c", role: "clerk", forbidden: "/box" });
  await wall(visitor, tally);
  await visitor.context.close();
}

async function floor(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "floor", "/", {
    assert: async (_page, _locale, size) => {
      const wanted = await visitor.api("/api/v1/floor");
      equal(await page.locator("[data-total]").count(), 10, "total tiles");
      if (wanted.counters.length > 0) equal(await page.locator(".tiles > a").count(), wanted.counters.length, "counter tiles");
      if (wanted.queues.length > 0) equal(await page.locator(".board tbody tr").count(), wanted.queues.length, "queue rows");
      if (size.width === 1366 && wanted.counters.length <= 12 && wanted.queues.length <= 10) {
        const below = await page.evaluate(() => document.documentElement.scrollHeight - window.innerHeight);
        expect(below <= 0, `the floor must be scrolled by ${below} px at 1366×768`);
      }
    },
  });
  await tally.check("hall floor shows the server's figures", async () => {
    await visitor.open("/");
    let shown;
    let wanted;
    for (let attempt = 0; attempt < 20; attempt += 1) {
      wanted = (await visitor.api("/api/v1/floor")).totals;
      shown = {};
      for (const [key, field] of [["waiting", "waiting"], ["serving", "serving"], ["in-hall", "in_hall"], ["issued", "issued_today"], ["no-show", "no_show_today"]]) {
        shown[field] = figure(await visitor.text(`[data-total="${key}"] .value`));
      }
      if (Object.entries(shown).every(([field, value]) => value === wanted[field])) return;
      await page.waitForTimeout(300);
    }
    throw new Error(`shown ${JSON.stringify(shown)}, server ${JSON.stringify(wanted)}`);
  });
  await tally.check("hall floor seconds run", async () => {
    await visitor.open("/");
    const times = page.locator(".tiles .time");
    if ((await times.count()) === 0) return;
    const before = await times.allInnerTexts();
    await page.waitForTimeout(2200);
    const after = await times.allInnerTexts();
    expect(before.join() !== after.join(), `counter times stand still: ${before.join()}`);
  });
  await tally.check("hall floor says when the box is lost and recovers by itself", async () => {
    const cable = await Cable.plug(visitor.origin);
    const watcher = await Visitor.enter(visitor.context.browser(), cable.origin, visitor.shots, "hall-cable");
    try {
      await watcher.context.addCookies(await visitor.context.cookies());
      await watcher.open("/");
      await watcher.expectingRefusals(async () => {
        await cable.pull();
        await watcher.page.waitForSelector(".lost", { timeout: 15000 });
        await watcher.shot("floor-lost");
        await watcher.axe();
        await cable.join();
        await watcher.page.waitForSelector(".lost", { state: "detached", timeout: 30000 });
      });
      equal(watcher.takeFaults(), [], "faults");
    } finally {
      await watcher.context.close();
      await cable.pull();
    }
  });
  await tally.check("hall every total opens the tickets behind it", async () => {
    for (const [key, query] of [["waiting", "state=waiting"], ["in-hall", "state=open"], ["no-show", "state=no-show"], ["issued", ""]]) {
      await visitor.open("/");
      await page.locator(`[data-total="${key}"]`).focus();
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname === "/tickets" && url.search.includes(query));
      await visitor.ready();
    }
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function tickets(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "tickets", "/tickets");
  await visitor.everywhere(tally, "tickets-none", "/tickets?q=zzzzzz");
  const list = await visitor.api("/api/v1/tickets?state=finished&limit=5");
  const first = list.tickets[0];
  await tally.check("hall there are finished tickets to look at", async () => expect(first, "no finished ticket"));
  if (!first) return;
  await visitor.everywhere(tally, "ticket", `/tickets?ticket=${encodeURIComponent(first.number)}`, {
    prepare: () => page.waitForSelector('[data-drawer="ready"]'),
    assert: async () => {
      const trail = await visitor.api(`/api/v1/tickets/${list.day}/${encodeURIComponent(first.number)}`);
      equal(await page.locator(".trail > li").count(), trail.events.length, "events in the trail");
    },
  });
  await tally.check("hall ticket list: filter, sort, page, drawer by keyboard, CSV", async () => {
    await visitor.open("/tickets");
    await page.selectOption('select[name="state"]', "finished");
    await page.waitForURL((url) => url.searchParams.get("state") === "finished");
    const wanted = await visitor.api("/api/v1/tickets?state=finished&sort=waiting&dir=desc&limit=50");
    await page.locator("main th button").nth(1).click();
    await page.waitForURL((url) => url.searchParams.get("sort") === "waiting");
    await visitor.until("the filtered rows", async () => (await page.locator("main tbody tr").count()) >= Math.min(50, wanted.tickets.length));
    if (wanted.total > 50) {
      await page.locator(".pager button").nth(1).click();
      await page.waitForURL((url) => url.searchParams.get("offset") === "50");
    }
    const opener = page.locator("main tbody button.open").first();
    await opener.focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector('[data-drawer="ready"]');
    await page.keyboard.press("Escape");
    await page.waitForURL((url) => !url.searchParams.has("ticket"));
    const link = await page.locator("a[download]").getAttribute("href");
    const bytes = await page.evaluate(async (address) => {
      const response = await fetch(address);
      return { type: response.headers.get("content-type"), start: [...new Uint8Array(await response.arrayBuffer())].slice(0, 3) };
    }, link);
    equal(bytes.start, [0xef, 0xbb, 0xbf], "byte order mark of the CSV");
    expect(bytes.type.startsWith("text/csv"), `CSV is ${bytes.type}`);
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function devices(visitor, tally) {
  const { page } = visitor;
  const all = (await visitor.api("/api/v1/devices")).devices;
  await visitor.everywhere(tally, "devices", "/devices", {
    assert: async () => equal(await page.locator("main tbody tr").count(), (await visitor.api("/api/v1/devices")).devices.filter((device) => device.state === "active").length, "device rows"),
  });
  const speaker = all.find((device) => device.reports > 0) ?? all[0];
  if (speaker) {
    await visitor.everywhere(tally, "device", `/devices/${encodeURIComponent(speaker.device)}`, {
      assert: async () => expect((await visitor.text("main")).includes(speaker.device), "the device id is missing"),
    });
  }
  await visitor.everywhere(tally, "letters", "/devices/dead-letters", {
    prepare: async () => {
      const details = page.locator(".letter summary").first();
      if ((await details.count()) > 0) await details.click();
    },
    assert: async () => {
      const letters = await visitor.api("/api/v1/dead-letters?limit=50");
      equal(await page.locator(".letter").count(), letters.letters.length, "letters");
    },
  });
  await tally.check("hall add a device: the secret is shown once, then retire it", async () => {
    const id = `walk-${String(Date.now()).slice(-7)}`;
    await visitor.open("/devices");
    await page.locator(".head .el-button--primary").click();
    await page.fill('input[name="device"]', "排队机/1");
    await page.fill('input[name="device-name"]', "巡检取号机");
    expect(await page.locator('.el-dialog button[type="submit"]').isDisabled(), "an id with a slash is accepted");
    await page.fill('input[name="device"]', id);
    await visitor.axe();
    await visitor.shot("device-add");
    await page.locator('.el-dialog button[type="submit"]').click();
    await page.waitForSelector('[data-dialog="secret"]');
    const secret = await page.locator('[data-dialog="secret"] .copy input').inputValue();
    expect(secret.length >= 12, `the secret is too short: ${secret.length}`);
    expect((await visitor.text('[data-dialog="secret"]')).includes(`te/device/${id}//e/`), "the topic is missing");
    await visitor.axe();
    await visitor.shot("device-secret");
    await page.locator('[data-dialog="secret"] .el-button--primary').click();
    await page.waitForSelector('[data-dialog="secret"]', { state: "detached" });
    await page.locator("main tbody tr", { hasText: id }).locator("button").last().click();
    await page.locator(".el-button--danger").click();
    await visitor.until("the retired device leaves the list", async () => (await page.locator("main tbody tr", { hasText: id }).count()) === 0);
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function wall(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "wall", "/wall", {
    assert: async () => {
      const floorNow = await visitor.api("/api/v1/floor");
      equal(await page.locator(".queues tbody tr").count(), floorNow.queues.length, "queues on the wall");
      expect((await visitor.text("h1")).includes(floorNow.hall.name), "the hall's name is missing");
      expect(/^\d\d:\d\d$/.test((await visitor.text(".clock b")).trim()), "no clock");
    },
  });
  await tally.check("wall without a session asks for one", async () => {
    const browser = visitor.context.browser();
    const stranger = await Visitor.enter(browser, visitor.origin, visitor.shots, "wall-door");
    await stranger.open("/wall");
    await stranger.page.waitForSelector('input[name="password"]');
    await stranger.axe();
    await stranger.shot("sign-in");
    equal(stranger.takeFaults(), [], "faults");
    await stranger.context.close();
  });
}
