// The last change to a device, and the way back. Shared by the list and the page of one device, because a device that
// was retired leaves the list it was retired from.
import { shallowRef } from "vue";
import type { Device, DeviceChange, DeviceSecret } from "@/api/types";
import { post } from "@/kit/api";

interface Done {
  device: string;
  what: "retired" | "revived" | "revived-waits" | "suspended" | "changed" | "refused";
  back: DeviceChange;
}
export const done = shallowRef<Done | null>(null);

export function changeDevice(device: string, change: DeviceChange): Promise<DeviceSecret> {
  return post<DeviceSecret>(`/api/v1/devices/${encodeURIComponent(device)}`, change);
}

/** Makes a change that can be taken back. */
export async function tryOut(device: Device, what: Done["what"], change: DeviceChange): Promise<void> {
  const back: DeviceChange = {};
  if (change.name !== undefined) back.name = device.name;
  if (change.counter !== undefined) back.counter = device.counter;
  if (change.state !== undefined) back.state = device.state;
  const { state } = await changeDevice(device.device, change);
  // What is open about it may shut it out again at once.
  done.value = { device: device.device, what: what === "revived" && state !== "active" ? "revived-waits" : what, back };
}

export async function takeBack(): Promise<void> {
  if (!done.value) return;
  await changeDevice(done.value.device, done.value.back);
  done.value = null;
}
