// Hall desk panel, served by the gateway.
import "@/kit/theme.css";
import { createApp, h } from "vue";
import type { NavItem } from "@/kit/AppFrame.vue";
import { useAttention } from "@/features/devices/attention";
import { peopleRoutes } from "@/features/people/routes";
import { i18n, startLocale } from "@/kit/i18n";
import PanelRoot from "@/kit/PanelRoot.vue";
import { makeRouter } from "@/kit/router";

const nav: NavItem[] = [
  { to: "/", word: "nav.floor", capability: "floor.read" },
  { to: "/tickets", word: "nav.tickets", capability: "tickets.read" },
  { to: "/devices", word: "nav.devices", capability: "devices.read", useWaiting: useAttention },
  { to: "/hall", word: "nav.own-masters", capability: "masters.read" },
  { to: "/announcements", word: "nav.announcements", capability: "masters.read" },
  { to: "/box", word: "nav.box", capability: "box.read" },
  { to: "/people", word: "nav.people", capability: "people.manage" },
  { to: "/audit", word: "nav.audit", capability: "audit.read" },
];

startLocale();
createApp({ render: () => h(PanelRoot, { nav }) })
  .use(i18n)
  .use(
    makeRouter([
      { path: "/", component: () => import("./HomePage.vue"), meta: { capability: "floor.read" } },
      { path: "/tickets", component: () => import("@/features/queue/TicketsPage.vue"), meta: { capability: "tickets.read" } },
      { path: "/devices", component: () => import("@/features/devices/DevicesPage.vue"), meta: { capability: "devices.read" } },
      { path: "/devices/dead-letters", component: () => import("@/features/devices/LettersPage.vue"), meta: { capability: "deadletters.read" } },
      // No device id begins with a hyphen.
      { path: "/devices/-/join", component: () => import("@/features/devices/JoinPage.vue"), meta: { capability: "devices.manage" } },
      { path: "/devices/-/wired", component: () => import("@/features/devices/WiredPage.vue"), meta: { capability: "devices.manage" } },
      { path: "/devices/:device", component: () => import("@/features/devices/DevicePage.vue"), props: true, meta: { capability: "devices.read" } },
      { path: "/hall", component: () => import("@/features/masters/OwnMasterPage.vue"), meta: { capability: "masters.read" } },
      { path: "/announcements", component: () => import("@/features/masters/AnnouncementsPage.vue"), meta: { capability: "masters.read" } },
      { path: "/box", component: () => import("@/features/box/HallBoxPage.vue"), meta: { capability: "box.read" } },
      { path: "/first-steps", component: () => import("@/features/box/FirstStepsPage.vue"), meta: { capability: "box.read" } },
      { path: "/box/set-aside", component: () => import("@/features/box/SetAsidePage.vue"), meta: { capability: "deadletters.read" } },
      { path: "/people", component: () => import("./StaffPage.vue"), meta: { capability: "people.manage" } },
      ...peopleRoutes,
    ]),
  )
  .mount("#app");
