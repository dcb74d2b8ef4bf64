// Central panel: halls side by side.
import "@/kit/theme.css";
import { createApp, h } from "vue";
import type { NavItem } from "@/kit/AppFrame.vue";
import { peopleRoutes } from "@/features/people/routes";
import { i18n, startLocale } from "@/kit/i18n";
import PanelRoot from "@/kit/PanelRoot.vue";
import { makeRouter } from "@/kit/router";

const nav: NavItem[] = [
  { to: "/", word: "nav.compare", capability: "halls.read" },
  { to: "/halls", word: "nav.stores", capability: "halls.read" },
  { to: "/organization", word: "nav.masters", capability: "masters.read" },
  { to: "/trust", word: "nav.trust", capability: "fleet.trust" },
  { to: "/box", word: "nav.centre", capability: "box.read" },
  { to: "/people", word: "nav.people", capability: "people.manage" },
  { to: "/audit", word: "nav.audit", capability: "audit.read" },
];

startLocale();
createApp({ render: () => h(PanelRoot, { nav }) })
  .use(i18n)
  .use(
    makeRouter([
      { path: "/", component: () => import("@/features/compare/ComparePage.vue"), meta: { capability: "halls.read" } },
      { path: "/halls", component: () => import("@/features/stores/StoresPage.vue"), meta: { capability: "halls.read" } },
      { path: "/halls/:store", component: () => import("@/features/hallday/HallDayPage.vue"), props: true, meta: { capability: "halls.read" } },
      { path: "/organization", component: () => import("@/features/masters/TreePage.vue"), meta: { capability: "masters.read" } },
      { path: "/organization/halls/:store", component: () => import("@/features/masters/HallMasterPage.vue"), props: true, meta: { capability: "masters.read" } },
      { path: "/organization/thresholds", component: () => import("@/features/masters/ListPage.vue"), props: { family: "threshold" }, meta: { capability: "masters.read" } },
      { path: "/organization/announcements", component: () => import("@/features/masters/ListPage.vue"), props: { family: "announcement" }, meta: { capability: "masters.read" } },
      { path: "/organization/staff", component: () => import("@/features/masters/ListPage.vue"), props: { family: "person" }, meta: { capability: "masters.manage" } },
      { path: "/organization/agents", component: () => import("@/features/masters/ListPage.vue"), props: { family: "agent" }, meta: { capability: "masters.read" } },
      { path: "/organization/definitions", component: () => import("@/features/masters/DefinitionsPage.vue"), meta: { capability: "masters.read" } },
      { path: "/organization/proposals", component: () => import("@/features/masters/ProposalsPage.vue"), meta: { capability: "masters.read" } },
      { path: "/questions", component: () => import("@/features/rows/QuestionsPage.vue"), meta: { capability: "audit.read" } },
      { path: "/halls/:store/rows", component: () => import("@/features/rows/RowsPage.vue"), props: true, meta: { capability: "halls.drill" } },
      { path: "/trust", component: () => import("@/features/fleet/TrustPage.vue"), meta: { capability: "fleet.trust" } },
      { path: "/box", component: () => import("@/features/box/CentreBoxPage.vue"), meta: { capability: "box.read" } },
      ...peopleRoutes,
    ]),
  )
  .mount("#app");
