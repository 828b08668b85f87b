#!/usr/bin/env node
// Looks at a built website in headless Chromium, page by page, and says what is wrong with it.
//     TOOLS=FOLDER node .ci/look.mjs SITE [PAGE...]
// FOLDER holds node_modules with playwright-core and, if it could be had, axe-core. CHROMIUM names the browser (default: found).
// Files .ci/look-*.mjs add checks of their own: each exports a function of {browser, open, base, check, exists}.
import { createRequire } from 'node:module';
import { execSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [site, ...only] = process.argv.slice(2);
const require = createRequire(path.resolve(process.env.TOOLS || '.') + '/');
const { chromium } = require('playwright-core');
let axe = null;
try { axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'); } catch { console.log('axe-core is not there: accessibility is not checked'); }

const which = o => { try { return execSync(`command -v ${o}`, { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim(); } catch { return ''; } };
const executablePath = process.env.CHROMIUM || ['chromium', 'chromium-browser', 'google-chrome'].map(which).find(Boolean);

// ---- what is counted
const counts = new Map();
function check(name, ok, where) {
  const o = counts.get(name) || { done: 0, bad: [] };
  counts.set(name, o);
  o.done++;
  if (!ok) o.bad.push(where);
}

// ---- the site, served
const types = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.mjs': 'text/javascript', '.svg': 'image/svg+xml',
  '.png': 'image/png', '.webp': 'image/webp', '.json': 'application/json', '.woff2': 'font/woff2', '.woff': 'font/woff', '.wasm': 'application/wasm' };
const file = url => {
  let p = path.join(site, decodeURIComponent(new URL(url).pathname));
  if (fs.existsSync(p) && fs.statSync(p).isDirectory()) p = path.join(p, 'index.html');
  return p;
};
const exists = url => fs.existsSync(file(url));
const server = http.createServer((q, r) => {
  const p = file('http://x' + q.url);
  if (!fs.existsSync(p)) { r.writeHead(404, { 'content-type': 'text/plain' }); return r.end('not found'); }
  r.writeHead(200, { 'content-type': types[path.extname(p)] || 'application/octet-stream' });
  fs.createReadStream(p).pipe(r);
});
await new Promise(f => server.listen(0, '127.0.0.1', f));
const base = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'] });

// open(options): a tab whose errors are counted and that reaches nothing but the site
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const tab = await context.newPage();
  tab.setDefaultTimeout(60000);
  const where = () => tab.url().replace(base, '');
  await context.route('**/*', r => {
    const url = r.request().url(), inside = url.startsWith(base) || /^(data|blob):/.test(url);
    if (!inside) check('nothing from another host', false, `${where()}: ${url}`);
    return inside ? r.continue() : r.abort();
  });
  tab.on('console', m => { if (m.type() === 'error') check('no error in the console', false, `${where()}: ${m.text()}`); });
  tab.on('pageerror', e => check('no error in the console', false, `${where()}: ${e.message}`));
  tab.on('response', r => { if (r.status() >= 400) check('nothing is missing', false, `${where()}: ${r.url().replace(base, '')}`); });
  return tab;
}

// ---- one page
const links = [], anchors = new Map();
async function look(tab, name) {
  await tab.setViewportSize({ width: 1280, height: 900 });
  await tab.emulateMedia({ colorScheme: 'light' });
  const answer = await tab.goto(base + name, { waitUntil: 'load' });
  check('nothing is missing', answer.ok(), name);
  check('nothing from another host', true);
  check('no error in the console', true);
  const seen = await tab.evaluate(async () => {
    for (const o of document.images) o.loading = 'eager';
    await Promise.all([...document.images].map(o => o.decode().catch(() => 0)));
    const main = document.querySelector('main') || document.body, wide = o => o.scrollWidth > o.clientWidth + 1;
    const hidden = o => o.closest('[aria-hidden=true], [role=presentation]');
    const first = [...main.querySelectorAll('h2, h3, pre.sourceCode, .quarto-figure')].find(o => !o.closest('details'));
    const before = o => !first || (o.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING);
    return {
      links: [...document.links].map(o => o.href), ids: [...document.querySelectorAll('[id]')].map(o => o.id),
      images: [...document.images].map(o => [o.src.slice(0, 80), o.naturalWidth, !!o.alt?.trim() || !!hidden(o)]),
      title: document.querySelector('h1')?.innerText.trim(), head: document.title.trim(),
      intro: [...main.querySelectorAll('p')].filter(o => before(o) && !o.closest('.page-note')).map(o => o.innerText).join(' ').length,
      errors: [...document.querySelectorAll('.cell-output-error, .cell-output-stderr')].filter(o =>
        o.matches('.cell-output-error') || /Traceback|Error:|(^|\s)\/(tmp|root|home|work)\//.test(o.innerText)).map(o => o.innerText.slice(0, 120)),
      raw: (main.innerText.match(/\\\(|\\\[|\$\$|:::/g) || []).length - [...main.querySelectorAll('pre, code')].reduce((n, o) =>
        n + (o.closest('pre') === o || !o.closest('pre') ? (o.innerText.match(/\\\(|\\\[|\$\$|:::/g) || []).length : 0), 0),
      unfolded: [...main.querySelectorAll('.cell pre.sourceCode')].filter(o => !o.closest('details')).length,
    };
  });
  for (const o of seen.links) links.push([name, o]);
  anchors.set(name, new Set(seen.ids));
  for (const [src, width, alt] of seen.images) {
    check('every image is there', width > 0, `${name}: ${src}`);
    check('every image has a text', alt, `${name}: ${src}`);
  }
  check('a title', seen.title && seen.head, name);
  if (!/^(lab\/|reference)/.test(name)) check('an introduction before the first code', seen.intro >= 60, `${name}: ${seen.intro} characters`);
  check('no error output', seen.errors.length === 0, `${name}: ${seen.errors[0]}`);
  check('no raw mark-up in the text', seen.raw <= 0, `${name}: ${seen.raw}`);
  if (name.startsWith('results/')) check('code of result pages is folded', seen.unfolded === 0, `${name}: ${seen.unfolded} open`);
  if (axe) {
    await tab.evaluate(axe);
    const found = await tab.evaluate(() => axe.run(document, { resultTypes: ['violations'], iframes: false }));
    const bad = found.violations.filter(o => ['serious', 'critical'].includes(o.impact));
    check('axe: nothing serious, light', bad.length === 0, `${name}: ${bad.map(o => `${o.id} x${o.nodes.length} ${o.nodes[0].html.slice(0, 160)}`).join('; ')}`);
    if (dark.has(name)) {
      await tab.emulateMedia({ colorScheme: 'dark' });
      await tab.reload({ waitUntil: 'load' });
      await tab.evaluate(axe);
      const rules = ['color-contrast', 'link-in-text-block'];
      const o = (await tab.evaluate(r => axe.run(document, { runOnly: r, resultTypes: ['violations'], iframes: false }), rules)).violations;
      check('axe: contrast, dark', o.length === 0, `${name}: ${o.map(v => `${v.id} x${v.nodes.length} ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].any[0]?.message}`).join('; ')}`);
    }
  }
  for (const width of [1280, 390]) {
    await tab.setViewportSize({ width, height: width < 500 ? 844 : 900 });
    const [scroll, clipped] = await tab.evaluate(() => {
      const clip = o => { for (let p = o.parentElement; p && p !== document.body; p = p.parentElement) {
        const s = getComputedStyle(p);
        if (s.overflowX !== 'visible') return o.getBoundingClientRect().right > p.getBoundingClientRect().right + 1 && s.overflowX === 'hidden'; }
        return o.getBoundingClientRect().right > document.documentElement.clientWidth + 1; };
      return [document.documentElement.scrollWidth, [...document.querySelectorAll('math, mjx-container, .katex-display')].filter(clip).length];
    });
    check(`no sideways scroll at ${width}`, scroll <= width, `${name}: ${scroll}`);
    check(`no clipped equation at ${width}`, clipped === 0, `${name}: ${clipped}`);
  }
}

// ---- all pages, in two tabs
const walk = d => fs.readdirSync(d, { withFileTypes: true }).flatMap(o => o.isDirectory() ? walk(path.join(d, o.name)) : [path.join(d, o.name)]);
const pages = walk(site).map(o => path.relative(site, o).split(path.sep).join('/')).filter(o => o.endsWith('.html') && !/(^|\/)(site_libs|404\.html)/.test(o));
// one page of each folder in dark colours, and all that were asked for
const dark = new Set(only.length ? only : new Map(pages.map(o => [path.dirname(o), o])).values());
const todo = (only.length ? only : pages).slice();
const start = Date.now();
await Promise.all([0, 1].map(async () => {
  const tab = await open();
  for (let name; (name = todo.shift());) {
    if (process.stderr.isTTY || process.env.VERBOSE) console.error(`${Math.round((Date.now() - start) / 1000)} s ${name}`);
    try { await look(tab, name); } catch (e) { check('every page can be looked at', false, `${name}: ${e.message.split('\n')[0]}`); }
  }
  await tab.context().close();
}));
for (const [name, href] of links) {
  if (!href.startsWith(base)) { check('links lead to pages or to the web', /^(https?|mailto|javascript):/.test(href), `${name}: ${href}`); continue; }
  const url = new URL(href), to = path.relative(site, file(href)).split(path.sep).join('/');
  check('no broken link', exists(href), `${name}: ${href.replace(base, '')}`);
  const id = decodeURIComponent(url.hash.slice(1));
  if (id && anchors.has(to)) check('no broken anchor', anchors.get(to).has(id), `${name}: ${href.replace(base, '')}`);
}
if (!only.length) {
  const reached = new Set(links.filter(([, o]) => o.startsWith(base)).map(([, o]) => path.relative(site, file(o)).split(path.sep).join('/')));
  for (const o of pages) check('every page can be reached by a link', reached.has(o), o);
  const size = walk(site).reduce((n, o) => n + fs.statSync(o).size, 0);
  check('under 25 MB', size < 25e6, `${(size / 1e6).toFixed(1)} MB`);
  for (const o of fs.readdirSync(import.meta.dirname).filter(o => /^look-.*\.mjs$/.test(o)).sort()) {
    const add = await import(pathToFileURL(path.join(import.meta.dirname, o)));
    try { await add.default({ browser, open, base, check, exists }); } catch (e) { check(`${o} runs`, false, e.message); }
  }
}
await browser.close();
server.close();

// ---- the list
let failed = 0;
for (const [name, { done, bad }] of counts) {
  console.log(`${bad.length ? 'NOT' : 'ok '} ${name}: ${bad.length ? `${bad.length} bad of ${done}` : done}`);
  for (const o of bad.slice(0, 12)) console.log(`      ${o}`);
  if (bad.length > 12) console.log(`      and ${bad.length - 12} more`);
  failed += bad.length;
}
console.log(`${anchors.size} pages looked at in ${Math.round((Date.now() - start) / 1000)} s, ${failed} findings`);
process.exit(failed ? 1 : 0);
