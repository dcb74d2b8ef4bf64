import { describe, expect, it } from "vitest";
import { passwordRules } from "./session";

describe("password rules", () => {
  it.each([
    ["", "", "1001", false],
    ["short", "short", "1001", false],
    ["quiet river 42", "quiet river 42", "1001", true],
    ["quiet river 42", "quiet river 43", "1001", false],
    ["aaaaaaaaaaaa", "aaaaaaaaaaaa", "1001", false],
    ["my 1001 secret", "my 1001 secret", "1001", false],
    ["my 007 secret", "my 007 secret", "007", true],
    ["春眠不觉晓处处闻啼鸟", "春眠不觉晓处处闻啼鸟", "1001", true],
  ])("%s / %s", (password, repeated, staff, ok) => {
    expect(passwordRules(password, repeated, staff).ok).toBe(ok);
  });
});
