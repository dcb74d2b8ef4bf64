// Wall display: no component library, no router; readable from five metres.
import "./wall.css";
import { createApp } from "vue";
import { rememberedLocale } from "@/kit/prefs";
import WallRoot from "./WallRoot.vue";

document.documentElement.lang = rememberedLocale();
createApp(WallRoot).mount("#app");
