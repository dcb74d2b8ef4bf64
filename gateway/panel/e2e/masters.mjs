// What flows down: the organization and its lists at the centre, master data and announcements in the hall.
import { expect } from "./browser.mjs";

export async function walkOrganization(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "organization", "/organization");
  await tally.check("centre a unit is made below another, and one with halls is not removed", async () => {
    await visitor.open("/organization");
    const form = page.locator("[data-dialog=unit]");
    const make = async (id, name, parent) => {
      await page.locator("main .el-button--primary").first().click();
      await form.locator("input[name=unit-id]").fill(id);
      await form.locator("input[name=unit-name]").fill(name);
      await form.locator("select[name=parent]").selectOption(parent);
      await form.locator("button[type=submit]").click();
      await form.waitFor({ state: "detached" });
    };
    await make("walk-top", "WALK TOP", "");
    await make("walk-unit", "WALK UNIT", "walk-top");
    const line = page.locator("main li", { hasText: "WALK TOP" });
    await line.locator("button").last().click();
    await form.locator(".el-button--danger").click();
    await form.locator('[role="alert"]').waitFor();
    visitor.takeFaults();
    await page.keyboard.press("Escape");
  });
  for (const name of ["thresholds", "announcements", "staff", "agents", "proposals"]) {
    await visitor.everywhere(tally, `organization-${name}`, `/organization/${name}`);
  }
  const { nodes } = await visitor.api("/api/v1/masters/tree");
  const hall = nodes.find((node) => node.is_hall);
  if (!hall) return;
  await visitor.everywhere(tally, "hall-master", `/organization/halls/${encodeURIComponent(hall.node)}`, {
    prepare: () => page.waitForSelector("main table"),
    assert: async () => expect((await visitor.text("main")).includes(hall.node), "the hall id is missing"),
  });
  await tally.check("centre master data are filled in and a threshold holds there", async () => {
    await visitor.open(`/organization/halls/${encodeURIComponent(hall.node)}`);
    await page.locator("main .el-button--primary").first().click();
    await page.locator("input[name=name]").fill("WALK HALL");
    await page.locator("input[name=area_m2]").fill("620");
    await page.locator("form button[type=submit]").click();
    await page.locator("form").waitFor({ state: "detached" });
    expect((await visitor.text("main")).includes("620 m²"), "the area is missing");
    await visitor.open(`/organization/thresholds?hall=${encodeURIComponent(hall.node)}`);
    await page.locator("main .filters .el-button--primary").click();
    const form = page.locator("[data-dialog=document]");
    await form.locator("select[name=scope]").selectOption(hall.node);
    await form.locator("select[name=name]").selectOption("wait-long-s");
    await form.locator("input[name=value]").fill("333");
    await form.locator("input[name=from]").fill("2020-01-01");
    await form.locator("button[type=submit]").click();
    await form.waitFor({ state: "detached" });
    await page.locator("main td", { hasText: "333 s" }).first().waitFor();
  });
}

export async function walkOwnMasters(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "own-masters", "/hall");
  await visitor.everywhere(tally, "announcements", "/announcements");
  await tally.check("hall a change of master data is proposed and waits", async () => {
    await visitor.open("/hall");
    await page.locator("main .el-button--primary").first().click();
    await page.locator("input[name=name]").fill("WALK HALL");
    await page.locator("input[name=area_m2]").fill("641");
    await page.locator("form button[type=submit]").click();
    await page.locator("main li", { hasText: "641" }).waitFor();
  });
}
