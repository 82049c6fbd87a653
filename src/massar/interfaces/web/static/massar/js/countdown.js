// Counts the seconds until a code may be sent again, on the button itself. The server keeps the same limit.
for (const button of document.querySelectorAll('[data-countdown]')) {
  const label = button.textContent;
  const end = performance.now() + Number(button.dataset.countdown) * 1000;
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    button.disabled = left > 0;
    if (left <= 0) {
      button.textContent = label;
      document.getElementById(button.getAttribute('aria-describedby'))?.remove();
      return;
    }
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    button.textContent = `${button.dataset.wait} ${clock}`;
    setTimeout(tick, 1000);
  };
  tick();
}
