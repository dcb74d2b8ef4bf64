// Pages about people, shared by both programs.
import type { RouteRecordRaw } from "vue-router";

export const peopleRoutes: RouteRecordRaw[] = [
  { path: "/setup", component: () => import("./SetupPage.vue"), meta: { open: true } },
  { path: "/sign-in", component: () => import("./SignInPage.vue"), meta: { open: true } },
  { path: "/password", component: () => import("./PasswordPage.vue") },
  { path: "/people", component: () => import("./PeoplePage.vue"), meta: { capability: "people.manage" } },
  { path: "/audit", component: () => import("./AuditPage.vue"), meta: { capability: "audit.read" } },
  { path: "/forbidden", component: () => import("./ForbiddenPage.vue") },
  { path: "/:rest(.*)*", component: () => import("./LostPage.vue") },
];
