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
