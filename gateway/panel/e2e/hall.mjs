// The hall desk panel and the wall display.
import { walkOwnMasters } from "./masters.mjs";
import { agree, equal, expect, Visitor } from "./browser.mjs";
import { Cable } from "./cable.mjs";
import { lookAtDevices, walkDevices } from "./devices.mjs";
import { firstBoot, newColleague, signIn } from "./door.mjs";

const figure = (text) => (text.includes("—") ? null : Number(text.replace(/[^\d-]/g, "")));

export async function walkHall(browser, tally, { base, code, shots, account }) {
  const visitor = await Visitor.enter(browser, base, shots, "hall");
  const { page } = visitor;
  await firstBoot(visitor, tally, account, code);
  await signIn(visitor, tally, account);

  await floor(visitor, tally);
  await tickets(visitor, tally);
  await walkDevices(visitor, tally);
  await visitor.everywhere(tally, "box", "/box", {
    prepare: () => page.waitForSelector('[data-health="shown"]'),
    assert: async () => {
      const box = await visitor.api("/api/v1/box");
      expect((await visitor.text("main")).includes(box.store), "the hall id is missing");
      const health = await visitor.health();
      equal(await page.locator('[data-health="shown"] tbody tr').count(), health.parts.length, "parts of the health");
      equal(await page.locator("main table").nth(1).locator("tbody tr").count(), box.followers.length, "followers");
      equal(await page.locator("main table").nth(2).locator("tbody tr").count(), box.doors.wired.length, "wired drivers");
    },
  });
  await visitor.everywhere(tally, "first-steps", "/first-steps", {
    prepare: () => page.waitForSelector("[data-step]"),
    assert: async () => {
      const found = await visitor.api("/api/v1/first-steps");
      equal(await page.locator("[data-step]").count(), found.steps.length, "first steps");
      const open = found.steps.filter((step) => !step.done && !step.confirmed).length;
      equal(await page.locator('[data-state="open"]').count(), open, "steps left");
    },
  });
  await walkOwnMasters(visitor, tally);
  await visitor.everywhere(tally, "people", "/people");
  await visitor.everywhere(tally, "password", "/password");
  await visitor.everywhere(tally, "lost", "/no/such/page", { widths: [{ width: 1366, height: 768 }] });
  await newColleague(visitor, () => Visitor.enter(browser, base, shots, "hall-clerk"), tally, { staff: "c", role: "clerk", forbidden: "/box" });
  await newColleague(visitor, () => Visitor.enter(browser, base, shots, "hall-duty"), tally, { staff: "d", role: "duty-manager", forbidden: "/devices/-/join", look: lookAtDevices });
  await wall(visitor, tally);
  await visitor.context.close();
}

async function floor(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "floor", "/", {
    assert: async (_page, _locale, size) => {
      const { found: wanted } = await agree("counters and queues", async () => {
        const found = await visitor.api("/api/v1/floor");
        const shown = { counters: await page.locator("[data-counter]").count(), queues: await page.locator("[data-queue-waiting], [data-quiet]").count() };
        return { found, shown, wanted: { counters: found.counters.length, queues: found.queues.length } };
      });
      equal(await page.locator("[data-total]").count(), 10, "total tiles");
      // The largest real hall has 22 queues; beyond 16 the last line may lie below the edge.
      if (size.width === 1366 && wanted.queues.length <= 16) {
        const below = await page.evaluate(() => document.documentElement.scrollHeight - window.innerHeight);
        expect(below <= 0, `the floor must be scrolled by ${below} px at 1366×768 with ${wanted.queues.length} queues and ${wanted.counters.length} counters`);
      }
    },
  });
  await tally.check("hall floor shows the server's figures", async () => {
    await visitor.open("/");
    const fields = [["waiting", "waiting"], ["serving", "serving"], ["in-hall", "in_hall"], ["issued", "issued_today"], ["finished", "finished_today"], ["no-show", "no_show_today"], ["abandoned", "abandoned_today"]];
    await agree("totals", async () => {
      const { totals } = await visitor.api("/api/v1/floor");
      const shown = {};
      const wanted = {};
      for (const [key, field] of fields) {
        shown[field] = figure(await visitor.text(`[data-total="${key}"] .value`));
        wanted[field] = totals[field];
      }
      return { shown, wanted };
    });
  });
  await tally.check("hall floor seconds run", async () => {
    await visitor.open("/");
    const times = page.locator("[data-counter] .time");
    if (!/\d/.test((await times.allInnerTexts()).join())) return;
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
  await tally.check("hall every total opens exactly the tickets behind it", async () => {
    const lists = [["waiting", "waiting", "state=waiting-or-called"], ["serving", "serving", "state=serving"], ["in-hall", "in_hall", "state=open"], ["issued", "issued_today", "issued=true"], ["rating", "rated_today", "rated=true"], ["finished", "finished_today", "state=finished"], ["no-show", "no_show_today", "state=no-show"], ["abandoned", "abandoned_today", "state=abandoned"]];
    for (const [key, field, query] of lists) {
      await visitor.open("/");
      await page.locator(`[data-total="${key}"]`).focus();
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname === "/tickets" && url.search.includes(query));
      await visitor.ready();
      await sameCount(visitor, key, (floorNow) => floorNow.totals[field]);
    }
    equal(visitor.takeFaults(), [], "faults");
  });
  await tally.check("hall every queue opens exactly the tickets behind its numbers", async () => {
    const { queues } = await visitor.api("/api/v1/floor");
    const busy = [...queues].sort((a, b) => b.waiting - a.waiting).slice(0, 3);
    for (const { queue } of busy) {
      for (const [selector, field] of [["data-queue-waiting", "waiting"], ["data-queue-serving", "serving"]]) {
        await visitor.open("/");
        const link = page.locator(`[${selector}="${queue}"]`);
        if ((await link.count()) === 0) continue;
        await link.click();
        await page.waitForURL((url) => url.pathname === "/tickets" && url.searchParams.get("queue") === queue);
        await visitor.ready();
        await sameCount(visitor, `${queue} ${field}`, (floorNow) => floorNow.queues.find((each) => each.queue === queue)?.[field]);
      }
    }
    equal(visitor.takeFaults(), [], "faults");
  });
  await tally.check("hall longest wait is the first of the waiting", async () => {
    await visitor.open("/");
    await agree("longest", async () => {
      const { totals } = await visitor.api("/api/v1/floor");
      const list = await visitor.api("/api/v1/tickets?state=waiting-or-called&sort=issued&dir=asc&limit=1");
      return { shown: list.tickets[0]?.number ?? null, wanted: totals.longest_wait_ticket };
    });
  });
}

/** The number of the list on the page is the floor's number. */
async function sameCount(visitor, what, pick) {
  const { page } = visitor;
  await agree(`tickets behind ${what}`, async () => {
    const wanted = pick(await visitor.api("/api/v1/floor"));
    await page.reload();
    await visitor.ready();
    return { shown: Number(await page.locator("[data-count]").getAttribute("data-count")), wanted };
  });
}

async function tickets(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "tickets", "/tickets");
  await visitor.everywhere(tally, "tickets-none", "/tickets?q=zzzzzz");
  const list = await visitor.api("/api/v1/tickets?state=finished&sort=issued&dir=asc&limit=5");
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

async function wall(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "wall", "/wall", {
    assert: async (_page, _locale, size) => {
      const floorNow = await visitor.api("/api/v1/floor");
      const asked = floorNow.queues.filter((queue) => queue.issued_today > 0 || queue.waiting > 0 || queue.serving > 0);
      const wanted = floorNow.queues.length > 12 && asked.length > 0 ? asked : floorNow.queues;
      await visitor.until("the queues on the wall", async () => (await page.locator(".queues tbody tr").count()) === wanted.length);
      if (size.width >= 1366) {
        const below = await page.evaluate(() => document.documentElement.scrollHeight - window.innerHeight);
        expect(below <= 0, `the wall must be scrolled by ${below} px`);
        const hidden = await page.evaluate(() => document.querySelector(".queues").getBoundingClientRect().bottom - document.querySelector("footer").getBoundingClientRect().top);
        expect(hidden <= 0, `queues lie under the footer by ${hidden} px`);
      }
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
