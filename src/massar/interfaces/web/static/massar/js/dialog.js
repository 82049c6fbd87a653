// Lifts the page's dialog above the page. Escape does what its closing button does, so that nobody is left on an
// empty page. Without this file the dialog is a card on the page and its buttons work the same.
const dialog = document.querySelector('dialog[data-modal]');

if (dialog?.showModal) {
  dialog.removeAttribute('open');
  dialog.showModal();
  (dialog.querySelector('[data-first]') ?? dialog.querySelector('h1')).focus();
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    dialog.querySelector('[data-close]').click();
  });
}
