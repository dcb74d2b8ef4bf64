// Hex dump: offset, bytes, printable characters.

const PER_ROW = 16;

export function hexRows(hex: string): string[] {
  const clean = hex.replace(/[^0-9a-fA-F]/g, "").toLowerCase();
  const rows: string[] = [];
  for (let start = 0; start < clean.length; start += PER_ROW * 2) {
    const pairs = clean.slice(start, start + PER_ROW * 2).match(/../g) ?? [];
    const text = pairs.map((pair) => printable(Number.parseInt(pair, 16))).join("");
    rows.push(`${(start / 2).toString(16).padStart(4, "0")}  ${pairs.join(" ").padEnd(PER_ROW * 3 - 1)}  ${text}`);
  }
  return rows;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}
