// Bundle every src/*.js and src/*.css into the Python package, headed by the digest of all the sources.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import * as esbuild from "esbuild";

const OUT = "../agent_vcr_nb/notebook/static";

const sources = readdirSync("src", { recursive: true })
  .map((name) => String(name).replaceAll("\\", "/"))
  .filter((name) => statSync(`src/${name}`).isFile())
  .sort();
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(`src/${name}`)).update("\0");
const banner = `/* built from widgets/src sha256:${digest.digest("hex")} - do not edit */`;

const { metafile } = await esbuild.build({
  entryPoints: readdirSync("src").filter((name) => /\.(js|css)$/.test(name)).map((name) => `src/${name}`),
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  conditions: ["browser", "production"],
  define: { "process.env.NODE_ENV": '"production"' },
  // The licences of what is bundled go to a file of their own, below.
  legalComments: "none",
  metafile: true,
  banner: { js: banner, css: banner },
});

/** @param {string} input path of a bundled module @returns {string[]} the package it belongs to, or nothing */
const packageOf = (input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.slice(1, 2) ?? [];
const packages = [...new Set(Object.keys(metafile.inputs).flatMap(packageOf))].sort();
const licences = packages.map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license", "license.md"]
    .map((candidate) => `${folder}/${candidate}`)
    .find((candidate) => existsSync(candidate));
  const text = file ? readFileSync(file, "utf8").trim() : `Licence: ${license} (the package ships no licence text)`;
  return `${name} ${version} (${license})\n\n${text}\n`;
});
writeFileSync(`${OUT}/THIRD_PARTY_LICENSES.txt`, licences.join(`\n${"-".repeat(80)}\n\n`));
