// Where devices on the network reach the box.
import { computed, type Ref } from "vue";
import type { GatewayBox } from "@/api/types";

const DEFAULT_PORT = "1883";
const portOf = (listen: string): string | undefined => listen.match(/:(\d+)$/)?.[1];
const isLocal = (listen: string): boolean => /^(127\.|\[::1\]|localhost)/.test(listen);

export function useDoors(box: Ref<GatewayBox | null>) {
  const mqtt = computed(() => box.value?.doors.mqtt);
  /** The encrypted door is the one to name wherever there is one. */
  const isTls = computed(() => Boolean(mqtt.value?.listen_tls));
  const port = computed(() => portOf(mqtt.value?.listen_tls ?? mqtt.value?.listen ?? "") ?? DEFAULT_PORT);
  /** What listens on the box itself only is out of reach for devices; set only then. */
  const unreachable = computed(() => {
    const listen = mqtt.value?.listen_tls ?? mqtt.value?.listen ?? "";
    return isLocal(listen) ? listen : null;
  });
  return { isTls, port, unreachable };
}

/** In groups that can be compared by eye. */
export function inGroups(fingerprint: string): string {
  return fingerprint.match(/.{1,4}/g)?.join(" ") ?? fingerprint;
}
