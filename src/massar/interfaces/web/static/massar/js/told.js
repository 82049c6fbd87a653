// Sites that were told that a session is over confirm within seconds: the list is looked up again until all have.
const EVERY_MS = 2000;
const MOST = 60;
let looked = 0;

async function look() {
  const shown = document.querySelector('[data-told]');
  if (!shown?.querySelector('[data-waits]') || looked >= MOST) return;
  looked += 1;
  try {
    const answer = await fetch(window.location.href, { headers: { Accept: 'text/html' } });
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-told]');
    if (fresh) shown.replaceChildren(...fresh.childNodes);
  } catch {
    // no connection just now: the next look may do better
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
