// The person's menu closes with Escape, and when the person presses or moves elsewhere.
const menu = document.querySelector('[data-menu]');

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
