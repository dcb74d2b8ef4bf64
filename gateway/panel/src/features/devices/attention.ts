// How much on the devices page waits for somebody: told in the navigation, on whatever page one is.
import { computed, type Ref } from "vue";
import type { DeviceRequests, Devices, Joining } from "@/api/types";
import { get } from "@/kit/api";
import { useLoad } from "@/kit/load";
import { account, can } from "@/kit/session";
import { inTrouble } from "./kinds";

const RELOAD_MS = 15000;

export function useAttention(): Ref<number> {
  // Who must change a password first may do nothing else.
  const may = (capability: string) => can(capability) && account.value?.must_change_password === false;
  const every = computed(() => (may("devices.read") ? RELOAD_MS : 0));
  const loaded = <T>(capability: string, path: string) => useLoad<T | null>(() => (may(capability) ? get<T>(path) : Promise.resolve(null)), { watch: [account], every }).data;
  const devices = loaded<Devices>("devices.read", "/api/v1/devices");
  const requests = loaded<DeviceRequests>("devices.read", "/api/v1/device-requests");
  const joining = loaded<Joining>("devices.manage", "/api/v1/joining");
  return computed(() => {
    const asking = requests.value?.requests ?? [];
    const troubled = (devices.value?.devices ?? []).filter((device) => device.state !== "retired" && inTrouble(device));
    // One that waits for a decision is one thing to do, however it is.
    const others = troubled.filter((device) => !asking.some((request) => request.device === device.device));
    return asking.length + others.length + (joining.value?.claims.length ?? 0);
  });
}
