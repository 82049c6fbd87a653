// Asks for what is new and puts it on top; nothing that the person has opened moves or closes.
const screen = document.querySelector('[data-demo]');
const status = screen.querySelector('[data-demo-status]');
const clock = screen.querySelector('[data-demo-clock]');
const PAUSE = 1500;
let last = Number(screen.dataset.last);

function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll('[data-demo-copy]')) {
    const label = button.innerHTML;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.demoCopy);
      button.textContent = button.dataset.done;
      setTimeout(() => { button.innerHTML = label; }, 2000);
    });
  }
}

function arrive(message) {
  if (screen.querySelector(`[data-message="${message.id}"]`)) return;
  const holder = document.createElement('template');
  holder.innerHTML = message.card;
  offerCopies(holder.content);
  screen.querySelector(`[data-demo-list="${message.kind}"]`).prepend(holder.content);
  status.textContent = message.kind === 'sms' ? screen.dataset.saidSms : screen.dataset.saidEmail;
}

async function look() {
  try {
    const answer = await fetch(`${screen.dataset.demo}?after=${last}`, { headers: { Accept: 'application/json' } });
    if (!answer.ok) return;
    const news = await answer.json();
    for (const message of news.messages.reverse()) arrive(message);
    last = news.last;
    clock.textContent = news.clock;
  } catch { /* The server is being started again: look later. */ }
}

async function watch() {
  if (!document.hidden) await look();
  setTimeout(watch, PAUSE);
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
offerCopies(document);
setTimeout(watch, PAUSE);
