// First boot and sign-in, the same in both programs.
import { equal, expect } from "./browser.mjs";

export async function firstBoot(visitor, tally, account, code) {
  const { page } = visitor;
  await page.goto(`${visitor.origin}/`);
  await visitor.ready();
  const session = await visitor.api("/api/v1/session");
  if (!session.setup_needed) return;

  await visitor.everywhere(tally, "setup", "/", { assert: async () => expect(page.url().endsWith("/setup"), `not at /setup: ${page.url()}`) });
  await tally.check(`${visitor.name} first boot: rules, wrong code, then signed in`, async () => {
    await visitor.open("/setup");
    const submit = page.locator('button[type="submit"]');
    await page.fill('input[name="code"]', "AAAA-BBBB-CCCC");
    await page.fill('input[name="staff"]', account.staff);
    await page.fill('input[name="name"]', account.name);
    await page.fill('input[name="password"]', "short");
    await page.fill('input[name="repeated"]', "short");
    expect(await submit.isDisabled(), "a weak password can be sent");
    equal(await page.locator(".rules .met").count(), 3, "rules met by a short password");
    await page.fill('input[name="password"]', account.password);
    expect(await submit.isDisabled(), "two different passwords can be sent");
    await page.fill('input[name="repeated"]', account.password);
    equal(await page.locator(".rules .met").count(), 4, "rules met by a good password");
    await visitor.expectingRefusals(async () => {
      await submit.click();
      await page.waitForSelector('[role="alert"]');
    });
    expect((await visitor.text('[role="alert"]')).includes("设置码"), "the wrong code is not explained");
    await visitor.shot("setup-wrong-code");
    await page.fill('input[name="code"]', code);
    await submit.click();
    await page.waitForURL((url) => url.pathname === (visitor.name === "hall" ? "/first-steps" : "/"));
    await visitor.ready();
    expect((await visitor.text("header")).includes(account.name), "the header does not name the person");
    equal(visitor.takeFaults(), [], "faults");
  });
}

export async function signIn(visitor, tally, account) {
  const { page } = visitor;
  await tally.check(`${visitor.name} sign out`, async () => {
    await visitor.open("/");
    if ((await visitor.api("/api/v1/session")).account === null) return;
    await page.click('[aria-controls="user-menu"]');
    await page.locator("#user-menu button").click();
    await page.waitForURL((url) => url.pathname === "/sign-in");
  });
  await visitor.everywhere(tally, "sign-in", "/sign-in");
  await tally.check(`${visitor.name} sign in: wrong password, then back to the wanted page`, async () => {
    await visitor.open("/box");
    expect(page.url().includes("/sign-in"), "a page opened without a session");
    await page.fill('input[name="staff"]', account.staff);
    await page.fill('input[name="password"]', `${account.password}x`);
    await visitor.expectingRefusals(async () => {
      await page.click('button[type="submit"]');
      await page.waitForSelector('[role="alert"]');
    });
    await visitor.shot("sign-in-wrong");
    await page.fill('input[name="password"]', account.password);
    await page.click('button[type="submit"]');
    await page.waitForURL((url) => url.pathname === "/box");
    await visitor.ready();
    equal(visitor.takeFaults(), [], "faults");
  });
}

/** A new account gets a one-time password and must change it; then only its own pages are open. */
export async function newColleague(visitor, enter, tally, { staff, role, forbidden, look }) {
  const { page } = visitor;
  await tally.check(`${visitor.name} add a person (${role}), one-time password, forced change`, async () => {
    const found = await visitor.api("/api/v1/people");
    await visitor.open("/people");
    equal(await page.locator("main tbody tr").count(), found.people.length, "rows of people");
    const fresh = `${staff}${String(Date.now()).slice(-6)}`;
    await page.locator(".head .el-button--primary").click();
    await page.fill('input[name="new-staff"]', fresh);
    await page.fill('input[name="new-name"]', "刘新");
    await page.check(`input[type="checkbox"][value="${role}"]`);
    await visitor.axe();
    await visitor.shot("people-add");
    await page.locator('.el-dialog button[type="submit"]').click();
    await page.waitForSelector(".copy input");
    const password = await page.locator(".copy input").inputValue();
    expect(password.length >= 6, "no one-time password shown");
    await visitor.axe();
    await visitor.shot("people-one-time");

    const colleague = await enter();
    await colleague.open("/sign-in");
    await colleague.page.fill('input[name="staff"]', fresh);
    await colleague.page.fill('input[name="password"]', password);
    await colleague.page.click('button[type="submit"]');
    await colleague.page.waitForURL((url) => url.pathname === "/password");
    await colleague.ready();
    await colleague.axe();
    await colleague.shot("forced-password");
    await colleague.page.fill('input[name="old"]', password);
    await colleague.page.fill('input[name="password"]', "winter sunlight 8");
    await colleague.page.fill('input[name="repeated"]', "winter sunlight 8");
    await colleague.page.click('button[type="submit"]');
    await colleague.page.waitForURL((url) => url.pathname !== "/password");
    if (look) await look(colleague);
    await colleague.open(forbidden);
    expect(colleague.page.url().endsWith("/forbidden"), `${forbidden} is open to ${role}`);
    await colleague.axe();
    await colleague.shot("forbidden");
    equal(colleague.takeFaults(), [], "faults of the colleague");
    await colleague.context.close();
    await page.locator(".el-dialog:visible .el-button--primary").click();
    equal(visitor.takeFaults(), [], "faults");
  });
}
