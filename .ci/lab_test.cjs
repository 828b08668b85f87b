// Drives the token lab by real clicks, keys and strokes; prints a line of JSON for each picture that .ci/lab compares with the model.
//     node .ci/lab_test.cjs ADDRESS [FOLDER FOR SCREENSHOTS]        NODE_PATH: playwright-core; CHROMIUM: the browser
const {chromium} = require("playwright-core");
const assert = require("node:assert");
const [address, shots] = process.argv.slice(2);
const say = o => console.log(JSON.stringify(o));

// in the page: waits until nothing is drawn any more
const state = page => page.evaluate(async () => {
  const lab = document.getElementById("lab"), picture = document.getElementById("lab-picture");
  const grey = id => {
    const c = document.getElementById(id), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    return Array.from({length: d.length / 4}, (_, i) => d[4 * i]);
  };
  let last = "", same = 0;
  for (let i = 0; i < 300 && same < 4; i++) {
    await new Promise(f => setTimeout(f, 100));
    const found = lab.dataset.tokens + lab.dataset.k + grey("lab-picture");
    same = found === last ? same + 1 : 0;
    last = found;
  }
  const alpha = document.getElementById("lab-change").getContext("2d").getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 3);
  return {tokens: JSON.parse(lab.dataset.tokens), k: +lab.dataset.k, picture: grey("lab-picture"), image: grey("lab-image"),
          changed: alpha.some(v => v > 0)};
});
const seen = async (page, did, whole) => {
  const s = await state(page);
  say({did, tokens: s.tokens, k: s.k, picture: s.picture, ...(whole ? {image: s.image} : {})});
  return s;
};
const focused = page => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);

async function open(browser, settings, wrong) {
  const page = await (await browser.newContext(settings)).newPage();
  const ours = o => o.url().startsWith(new URL(address).origin);               // not the themes' fonts
  page.on("console", m => { if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) wrong.push(m.text()); });
  page.on("pageerror", e => wrong.push(e.message));
  page.on("requestfailed", r => { if (ours(r)) wrong.push(`${r.url()} failed`); });
  page.on("response", r => { if (ours(r) && r.status() >= 400) wrong.push(`${r.url()}: ${r.status()}`); });
  await page.goto(address, {waitUntil: "commit"});
  await page.waitForSelector('#lab[data-ready="true"]', {timeout: 120000});
  const ms = await page.evaluate(() => +document.getElementById("lab").dataset.first);
  say({did: `first picture after ${(ms / 1000).toFixed(2)} s (${settings.viewport.width} px, ${settings.colorScheme})`});
  return page;
}
const shot = async (page, name) => { if (shots) await page.screenshot({path: `${shots}/${name}.png`, fullPage: true}); };

(async () => {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ["--no-sandbox"]}), wrong = [];
  let page = await open(browser, {viewport: {width: 1280, height: 900}, colorScheme: "light"}, wrong);

  let s = await seen(page, "start", true);
  assert.equal(s.k, 32);
  assert(!s.changed);
  await shot(page, "desktop-light-start");

  await page.click("#lab-images button:nth-child(8)");
  const other = await seen(page, "a click on another digit", true);
  assert.notDeepEqual(other.tokens, s.tokens);

  await page.focus("#lab-k");
  for (let i = 0; i < 24; i++) await page.keyboard.press("ArrowLeft");
  s = await seen(page, "24 arrow keys on the slider");
  assert.equal(s.k, 8);
  await page.keyboard.press("Home");
  s = await seen(page, "Home on the slider");
  assert.equal(s.k, 0);
  const slider = await page.locator("#lab-k").boundingBox();
  await page.mouse.click(slider.x + slider.width / 2, slider.y + slider.height / 2);
  s = await seen(page, "a click in the middle of the slider");
  assert(Math.abs(s.k - 16) <= 1);

  await page.click(".lab-token:nth-child(5)");
  await page.click(".lab-word:nth-child(3)");
  s = await seen(page, "token 5 exchanged by a click on a word");
  assert.notEqual(s.tokens[4], other.tokens[4]);
  assert(s.changed);
  await page.click(".lab-token:nth-child(30)");
  await page.click(".lab-word:nth-child(1)");
  s = await seen(page, "a token beyond k exchanged: k follows");
  assert(s.k >= 30);

  await page.focus('.lab-token[tabindex="0"]');
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  assert.match(await focused(page), /, token 2$/);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "lab-word");
  await page.keyboard.press("End");
  s = await seen(page, "the word of token 2 by keys");
  assert.equal(s.tokens[1], 255);
  await page.focus('.lab-word[tabindex="0"]');
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  const word = await page.locator(".lab-word:nth-child(2) span").textContent();
  s = await seen(page, "another word of token 2 by keys");
  assert.equal(s.tokens[1], +word);
  await shot(page, "desktop-light-exchanged");
  await page.click("#lab-undo");
  s = await seen(page, "undo");
  assert.deepEqual(s.tokens, other.tokens);
  assert(!s.changed);

  const strokes = async (page, points) => {
    const pad = await page.locator("#lab-pad").boundingBox(), at = ([x, y]) => [pad.x + x * pad.width, pad.y + y * pad.height];
    await page.mouse.move(...at(points[0]));
    await page.mouse.down();
    for (const p of points.slice(1)) await page.mouse.move(...at(p), {steps: 5});
    await page.mouse.up();
  };
  await page.locator("#lab-pad").scrollIntoViewIfNeeded();
  await strokes(page, [[.3, .2], [.7, .2], [.45, .8]]);
  s = await seen(page, "a seven drawn with the mouse", true);
  assert.notDeepEqual(s.tokens, other.tokens);
  await shot(page, "desktop-light-drawn");
  await page.click("#lab-clear");
  s = await seen(page, "cleared", true);
  assert.deepEqual(s.tokens, other.tokens);
  await page.focus("#lab-pad");
  await page.keyboard.press(" ");
  for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowDown");
  s = await seen(page, "a one drawn with keys", true);
  assert.notDeepEqual(s.tokens, other.tokens);
  await page.click("#lab-play");
  await page.waitForFunction(() => document.getElementById("lab-play").textContent === "Play" && document.getElementById("lab").dataset.k === "32");
  await seen(page, "played from 0 to 32");

  for (const width of [390, 1280]) for (const colorScheme of ["light", "dark"]) {
    if (width === 1280 && colorScheme === "light") continue;
    page = await open(browser, {viewport: {width, height: 844}, colorScheme, hasTouch: width < 500}, wrong);
    if (colorScheme === "dark") {
      await page.evaluate(() => { if (!document.querySelector(".quarto-dark")) document.querySelector(".quarto-color-scheme-toggle")?.click(); });
      await page.waitForTimeout(300);
    }
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(sideways <= 0, `${width} px: ${sideways} px of sideways scroll`);
    const small = await page.evaluate(() => [...document.querySelectorAll("#lab button")].map(b => b.getBoundingClientRect()).filter(r => r.width < 24 || r.height < 24).length);
    assert.equal(small, 0, "buttons of at least 24 px");
    if (width < 500) { await page.tap(".lab-token:nth-child(3)"); await page.tap(".lab-word:nth-child(4)"); }
    else { await page.click(".lab-token:nth-child(3)"); await page.click(".lab-word:nth-child(4)"); }
    s = await seen(page, `token 3 exchanged at ${width} px, ${colorScheme}`);
    assert(s.changed);
    await shot(page, `${width}-${colorScheme}`);
  }
  await browser.close();
  assert.deepEqual(wrong, []);
})().catch(e => { console.error(e); process.exit(1); });
