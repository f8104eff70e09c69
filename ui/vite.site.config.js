/** The live page: one page with hashed files beside it, so that a policy can forbid everything inline. */
import react from "@vitejs/plugin-react";
import { resolve } from "node:path";
import { defineConfig } from "vite";

const SITE = process.env.WATCHKEEPER_SITE ?? resolve(import.meta.dirname, "../src/watchkeeper/server/site");

export default defineConfig({
  root: resolve(import.meta.dirname, "site"),
  base: "/",
  plugins: [react()],
  build: {
    outDir: SITE,
    emptyOutDir: true,
    target: "es2022",
    cssTarget: "chrome123", // keeps light-dark() as it is written
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // nothing inline: the policy allows files of this server alone
    chunkSizeWarningLimit: 1000,
  },
});
