// One package, three pages: hall desk, wall display and central. The Rust programs embed `dist/`.
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import AutoImport from "unplugin-auto-import/vite";
import { ElementPlusResolver } from "unplugin-vue-components/resolvers";
import Components from "unplugin-vue-components/vite";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Answers `/`, `/wall` and every page address of the development server with the right entry. */
function pages(): Plugin {
  return {
    name: "zhiban-pages",
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const path = (request.url ?? "/").split("?")[0];
        const isPage = !path.includes(".") && !path.startsWith("/@") && !path.startsWith("/api");
        if (isPage) {
          const main = process.env.PANEL === "centre" ? "/centre.html" : "/hall.html";
          request.url = path === "/wall" ? "/wall.html" : main;
        }
        next();
      });
    },
  };
}

export default defineConfig({
  appType: "mpa",
  plugins: [
    pages(),
    vue(),
    AutoImport({ resolvers: [ElementPlusResolver()], dts: "auto-imports.d.ts" }),
    Components({ dirs: [], resolvers: [ElementPlusResolver()], dts: "components.d.ts" }),
  ],
  resolve: { alias: { "@": here("./src") } },
  define: {
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      input: { hall: here("./hall.html"), wall: here("./wall.html"), centre: here("./centre.html") },
      output: {
        codeSplitting: {
          groups: [
            { name: "vue", test: /node_modules[\\/](@vue|vue)[\\/]/, priority: 30 },
            { name: "echarts", test: /node_modules[\\/](echarts|zrender)[\\/]/, priority: 20 },
          ],
        },
      },
    },
  },
  server: {
    proxy: { "/api": process.env.HALL_URL ?? "http://127.0.0.1:8701" },
  },
  test: { include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
