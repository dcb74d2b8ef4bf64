// Router with the order of doors: first boot, sign-in, forced password change, capability.
import { nextTick, shallowRef } from "vue";
import { createRouter, createWebHistory, type Router, type RouteRecordRaw } from "vue-router";
import { account, can, loadSession, session, watchSession } from "./session";

declare module "vue-router" {
  interface RouteMeta {
    capability?: string;
    /** Reachable without a session. */
    open?: boolean;
  }
}

/** Set while the box has never answered, so that the first page can say so. */
export const loadFailure = shallowRef<unknown>(null);
export function retryStart(): void {
  location.reload();
}

export function makeRouter(routes: RouteRecordRaw[]): Router {
  const router = createRouter({ history: createWebHistory("/"), routes, scrollBehavior: () => ({ top: 0 }) });

  router.beforeEach(async (to) => {
    if (!session.value) {
      try {
        await loadSession();
        loadFailure.value = null;
      } catch (error) {
        loadFailure.value = error;
        return true;
      }
    }
    if (session.value?.setup_needed) return to.path === "/setup" ? true : "/setup";
    if (to.path === "/setup") return "/";
    if (!account.value) {
      if (to.meta.open) return true;
      return { path: "/sign-in", query: to.fullPath === "/" ? {} : { next: to.fullPath } };
    }
    if (account.value.must_change_password) return to.path === "/password" ? true : "/password";
    if (to.path === "/sign-in") return "/";
    if (!can(to.meta.capability)) return firstAllowed(router, to.path);
    return true;
  });

  // A new page is announced by moving focus to it, as a page load would do.
  router.afterEach((to, from) => {
    if (from.matched.length > 0 && to.path !== from.path) void nextTick(() => document.getElementById("main")?.focus());
  });

  // After an update of the program the page files of before are gone; the page itself knows the new ones.
  window.addEventListener("vite:preloadError", (event) => {
    event.preventDefault();
    location.reload();
  });

  watchSession(() => {
    const here = router.currentRoute.value;
    if (!here.meta.open) void router.push({ path: "/sign-in", query: { next: here.fullPath, ended: "1" } });
  });
  return router;
}

/** The default page may be closed to a role (an auditor has no floor); then the first page that is open to it is shown. */
function firstAllowed(router: Router, path: string): string {
  if (path !== "/") return "/forbidden";
  const open = router
    .getRoutes()
    .find((route) => route.meta.capability && can(route.meta.capability) && !route.path.includes(":"));
  return open?.path ?? "/forbidden";
}
