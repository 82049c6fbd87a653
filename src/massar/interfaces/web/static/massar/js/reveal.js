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
