import react from "@vitejs/plugin-react";
import { copyFile, mkdir, rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { defineConfig } from "vite";

const PAGE = resolve(import.meta.dirname, "../src/watchkeeper/report/page.html");

// Text inside <script> must not look like its end or like a comment to the HTML parser.
const inScript = (code) => code.replaceAll(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "\\x3c!--");

/** Puts the one script and the one style sheet into the page, so that a saved report is a single file that fetches nothing. */
const inline = {
  name: "inline-everything",
  enforce: "post",
  generateBundle(_, bundle) {
    const page = bundle["index.html"];
    const files = Object.values(bundle);
    const code = files.filter((file) => file.type === "chunk").map((file) => file.code.trim());
    const style = files.filter((file) => file.fileName.endsWith(".css")).map((file) => String(file.source).trim());
    if (code.length !== 1 || style.length !== 1)
      throw new Error(`one script and one style sheet, not ${code.length} and ${style.length}`);
    for (const file of files) if (file !== page) delete bundle[file.fileName];
    const html = page.source.replaceAll(
      /\s*<script type="module"[^>]*><\/script>|\s*<link rel="stylesheet"[^>]*>/g,
      "",
    );
    page.source = html
      .replace("</head>", () => `<style>${style[0]}</style>\n</head>`)
      .replace("</body>", () => `<script id="watchkeeper-page">${inScript(code[0])}</script>\n</body>`);
  },
};

/** Moves the page to where Python reads it, in one step: a reader never meets half of it. */
const deliver = {
  name: "deliver",
  async writeBundle(options) {
    await mkdir(dirname(PAGE), { recursive: true });
    await copyFile(resolve(options.dir, "index.html"), `${PAGE}.part`);
    await rename(`${PAGE}.part`, PAGE);
  },
};

export default defineConfig({
  plugins: [react(), inline, deliver],
  build: {
    target: "es2022",
    cssTarget: "chrome123", // keeps light-dark() as it is written
    modulePreload: false,
    cssCodeSplit: false, // one sheet, beside the script and not inside it
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { output: { format: "iife", codeSplitting: false } },
  },
});
