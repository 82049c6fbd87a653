// What every page does where scripts run. One file: on a slow line each further one costs as much as it holds.

// A form is sent once: a second press while the answer is on its way is ignored. The guard lifts by itself after a
// few seconds, and when the page comes back from history, so that a lost connection never strands anybody.
const LIFT_AFTER_MS = 8000;

function lift(form) {
  delete form.dataset.sent;
  form.querySelectorAll('[aria-busy]').forEach((button) => button.removeAttribute('aria-busy'));
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.matches('form[data-once]') || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = 'yes';
  event.submitter?.setAttribute('aria-busy', 'true');
  setTimeout(lift, LIFT_AFTER_MS, form);
});

addEventListener('pageshow', () => document.querySelectorAll('form[data-sent]').forEach(lift));

// The square on a slip leads to the sign-in page with user name and code behind the #, which no server is told. They are
// taken out of the address first, so that nothing that is copied, shared or gone back to holds them. Nothing is sent.
// The next slip that is scanned may meet this very page, which is then not loaded again.
const SLIP = /^#slip=([a-z0-9._@-]{1,254})~([a-z]{5}-[2-9]{5})$/;

function takeSlip() {
  const handed = SLIP.exec(location.hash), form = document.getElementById('id_password')?.form;
  if (location.hash.startsWith('#slip=')) history.replaceState(history.state, '', location.pathname + location.search);
  if (!handed || !form?.elements.user) return;
  [form.elements.user.value, form.elements.password.value] = handed.slice(1);
  form.querySelector('button[type=submit]').focus();
}

takeSlip();
addEventListener('hashchange', takeSlip);

// When a page opens with something that must be read first (an error summary, a refusal), the focus goes there.
document.querySelector('[data-focus]')?.focus({ preventScroll: false });

// The person's menu closes with Escape, and when the person presses or moves elsewhere.
function watchMenu(menu) {
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener('focusout', (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}

document.querySelectorAll('[data-menu]').forEach(watchMenu);

// Shows and hides what is typed in a password field. Hidden again when the form leaves, so that browsers offer to
// save it as a password and no word stays readable on the screen.
function show(button, field, visible) {
  field.type = visible ? 'text' : 'password';
  button.textContent = visible ? button.dataset.hide : button.dataset.show;
  button.setAttribute('aria-pressed', String(visible));
}

for (const button of document.querySelectorAll('[data-reveal]')) {
  const field = document.getElementById(button.getAttribute('aria-controls'));
  const label = document.querySelector(`label[for="${field.id}"]`);
  label.id ||= `${field.id}-label`;
  button.id ||= `${field.id}-reveal`;
  button.setAttribute('aria-labelledby', `${button.id} ${label.id}`);
  button.hidden = false;
  button.addEventListener('click', () => show(button, field, field.type === 'password'));
  field.form?.addEventListener('submit', () => show(button, field, false));
}

// Says so when Caps Lock is on in a password field, or when the keyboard types Arabic where Latin letters are meant.
const ARABIC_LETTER = /[\u0621-\u064A\u066E-\u06D3]/;

for (const line of document.querySelectorAll('[data-typing]')) {
  const field = document.getElementById(line.dataset.typing);
  let caps = false;
  const say = () => {
    const words = [];
    if (caps && line.dataset.caps) words.push(line.dataset.caps);
    if (ARABIC_LETTER.test(field.value)) words.push(line.dataset.arabic);
    const text = words.join(' ');
    if (line.textContent !== text) line.textContent = text;
  };
  const look = (event) => {
    if (event.getModifierState) caps = event.getModifierState('CapsLock');
    say();
  };
  field.addEventListener('keydown', look);
  field.addEventListener('keyup', look);
  field.addEventListener('input', say);
  field.addEventListener('blur', () => { caps = false; say(); });
}
