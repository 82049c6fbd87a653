// Passkeys. A form with data-passkey stays hidden where the browser can't use them; its button asks for one, and what
// was signed goes out in the form's hidden field, like anything that is typed.
const FRESH_MS = 4 * 60 * 1000; // a challenge is good for five minutes
const LIFT_AFTER_MS = 8000; // as in page.js
const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
const named = (list) => list?.map((one) => ({ ...one, id: decode(one.id) }));

// From JSON and back by hand: parseRequestOptionsFromJSON and toJSON are missing from older phones.
function question(form) {
  const options = JSON.parse(form.dataset.options);
  options.challenge = decode(options.challenge);
  if (options.user) options.user.id = decode(options.user.id);
  options.allowCredentials = named(options.allowCredentials);
  options.excludeCredentials = named(options.excludeCredentials);
  return options;
}

function answer({ id, rawId, type, response }) {
  const said = { transports: response.getTransports?.() };
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[name]) said[name] = encode(response[name]);
  }
  return JSON.stringify({ id, rawId: encode(rawId), type, response: said });
}

function serve(form) {
  const button = form.querySelector('button');
  const sentences = [...form.querySelectorAll('[data-when]')];
  let running = null;
  let pressed = false;
  let asked = Date.now();

  const tell = (name) => {
    const found = sentences.find((one) => one.dataset.when === name) ?? sentences[0];
    for (const one of sentences) one.hidden = !name || one !== found;
  };

  const lift = () => {
    pressed = false;
    button.removeAttribute('aria-busy');
  };

  async function refresh() {
    if (Date.now() - asked < FRESH_MS || !form.dataset.fresh) return;
    const page = await (await fetch(form.dataset.fresh, { headers: { Accept: 'text/html' } })).text();
    const other = new DOMParser().parseFromString(page, 'text/html').querySelector('form[data-fresh]');
    if (!other) return; // somebody has signed in since
    form.dataset.options = other.dataset.options;
    asked = Date.now();
  }

  async function ask(mediation) {
    running?.abort();
    const mine = running = new AbortController();
    const options = { publicKey: question(form), signal: mine.signal, ...(mediation && { mediation }) };
    const found = await navigator.credentials[form.dataset.passkey](options);
    if (mine !== running) return;
    form.elements.answer.value = answer(found);
    form.submit();
  }

  // The browser offers passkeys where the user name is typed, beside the names that it remembers. Nobody has asked for
  // it, so nobody is told when another request takes its place, or no connection is there.
  async function offer() {
    try {
      if (!('autofill' in form.dataset) || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
      await refresh();
      if (!pressed) await ask('conditional');
    } catch {}
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (pressed) return;
    pressed = true;
    button.setAttribute('aria-busy', 'true');
    tell('');
    try {
      await refresh();
      await ask();
      setTimeout(lift, LIFT_AFTER_MS); // the answer is on its way
    } catch (trouble) {
      lift();
      tell(trouble.name);
      offer();
    }
  });
  addEventListener('pageshow', lift);
  document.querySelector('[autocomplete~=webauthn]')?.addEventListener('focus', () => {
    if (Date.now() - asked >= FRESH_MS) offer();
  });
  form.hidden = false;
  offer();
}

// Passkeys are made for one host: the page may stand at another name of this machine. What is shown where they can be
// used names it, and so do the options of a form.
const here = (host) => window.PublicKeyCredential && host === window.location.hostname;

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const { rpId, rp } = JSON.parse(form.dataset.options);
  if (here(rpId ?? rp.id)) serve(form);
}
for (const part of document.querySelectorAll('[data-passkeys]')) {
  part.hidden = !here(part.dataset.passkeys);
  part.previousElementSibling.hidden = !part.hidden; // says why nothing is offered
}
