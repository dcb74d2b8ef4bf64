import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
// @ts-expect-error a tool in plain JavaScript
import { schemaText } from "../../tools/api.mjs";

it("the schema is generated from the committed documents (npm run api)", async () => {
  const text = readFileSync(join(import.meta.dirname, "schema.ts"), "utf8");
  expect((await schemaText()) === text).toBe(true);
});
