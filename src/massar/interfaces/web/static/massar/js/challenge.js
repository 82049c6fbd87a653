// Meets the challenge of the page and sends its form: ALTCHA's proof of work, version 2 (PBKDF2 of nonce and counter until
// the key begins as asked). The browser derives keys in threads of its own, so the page stays free. Where it can't (plain
// http), or where it takes too long, the time that the page names is waited out instead.
const form = document.querySelector('form[data-puzzle]');
const said = form.querySelector('[data-said]');
const bar = form.querySelector('progress');
const ready = performance.now() + Number(form.dataset.wait) * 1000 + 500;
const AT_ONCE = 8; // keys that are derived side by side
const USUAL = 200; // steps, at most

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');

function say(name) {
  said.textContent = said.dataset[name];
}

async function derive(puzzle, counter) {
  const password = new Uint8Array(20);
  password.set(bytes(puzzle.nonce));
  new DataView(password.buffer).setUint32(16, counter); // big-endian
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']);
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt: bytes(puzzle.salt), iterations: puzzle.cost };
  return hex(await crypto.subtle.deriveBits(how, key, puzzle.keyLength * 8));
}

async function solve(puzzle) {
  for (let first = 0; performance.now() < ready; first += AT_ONCE) {
    const counters = Array.from({ length: AT_ONCE }, (_, n) => first + n);
    const keys = await Promise.all(counters.map((counter) => derive(puzzle, counter)));
    const found = keys.find((key) => key.startsWith(puzzle.keyPrefix));
    if (found) return found;
    bar.value = Math.min(95, (100 * first) / USUAL);
  }
  return '';
}

function wait() {
  say('waiting');
  return new Promise((done) => {
    const whole = ready - performance.now();
    const look = () => {
      const left = ready - performance.now();
      bar.value = Math.min(100, 100 - (100 * left) / whole);
      if (left <= 0) done();
      else setTimeout(look, 250);
    };
    look();
  });
}

async function meet() {
  form.querySelector('[data-works]').hidden = false;
  form.querySelector('[data-by-hand]').hidden = true;
  form.querySelector('button[type=submit]').hidden = true;
  say('working');
  let solution = '';
  try {
    if (globalThis.crypto?.subtle) solution = await solve(JSON.parse(form.dataset.puzzle).parameters);
  } catch {
    // no way to derive keys here: waiting is enough
  }
  if (!solution) await wait();
  form.elements.solution.value = solution;
  bar.value = 100;
  say('done');
  form.requestSubmit();
}

meet();

// Back from history the challenge is spent: what was sent then goes on at the server, or asks again.
addEventListener('pageshow', (event) => {
  if (event.persisted) form.querySelector('button[type=submit]').hidden = false;
});
