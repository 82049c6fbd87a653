// Ticks the rules of a new password while it is typed. Only rules the page can judge without a secret carry
// data-rule, and those with data-when-broken show only then; the server judges all of them when the form is sent.
const list = document.querySelector('[data-rules]');
const words = JSON.parse(list.dataset.words).map(fold).filter((word) => word.length > 2);

function fold(text) {
  return text.normalize('NFKD').replace(/[\p{M}\p{Cf}\u0640]/gu, '').toLowerCase();
}

function pointsToName(text) {
  const folded = fold(text);
  const joined = folded.replace(/[^\p{L}\p{N}]/gu, '');
  const runs = new Set(folded.match(/\p{L}+/gu) ?? []);
  return words.some((word) => (word.length > 3 ? joined.includes(word) : runs.has(word)));
}

function looksTemporary(text) {
  const bare = text.normalize('NFKC').toLowerCase().replace(/[\s\p{Pd}\p{Cf}]/gu, '')
    .replace(/[\u0660-\u0669\u06F0-\u06F9]/g, (digit) => digit.codePointAt(0) & 15);
  return /^[bcdfghjkmnpqrstvwxz]{5}[2-9]{5}$/.test(bare);
}

const JUDGES = {
  length_min: (text, item) => [...text].length >= Number(item.dataset.min),
  length_max: (text, item) => [...text].length <= Number(item.dataset.max),
  letter: (text) => /[\p{Lu}\p{Ll}\p{Lt}\p{Lo}]/u.test(text),
  digit: (text) => /\p{Nd}/u.test(text),
  symbol: (text) => /[\p{P}\p{S} ]/u.test(text.trim()),
  temporary_shape: (text) => !looksTemporary(text),
  name: (text) => !pointsToName(text),
  invisible: (text) => text === text.trim() && !/[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(text),
};

const field = document.getElementById(list.dataset.rules);
const items = [...list.parentElement.querySelectorAll('[data-rule]')].filter((item) => JUDGES[item.dataset.rule]);

function judge() {
  const text = field.value.normalize('NFC');
  for (const item of items) {
    const broken = text !== '' && !JUDGES[item.dataset.rule](text, item);
    // A rule that only warns is never called met here: the server knows more than the page does.
    const met = text !== '' && !broken && !('warns' in item.dataset);
    item.classList.toggle('met', met);
    item.classList.toggle('unmet', broken);
    if ('whenBroken' in item.dataset) item.hidden = !broken;
    item.querySelector('[data-state]').textContent = met ? ` ${list.dataset.met}` : broken ? ` ${list.dataset.unmet}` : '';
  }
}

field.addEventListener('input', judge);
judge();

const match = document.querySelector('[data-match]');
const again = match && document.getElementById(match.dataset.match);

function compare() {
  const same = again.value === field.value;
  const late = again.value !== '' && (same || !field.value.startsWith(again.value));
  const text = late ? (same ? match.dataset.same : match.dataset.differs) : '';
  match.classList.toggle('good', same);
  if (match.textContent !== text) match.textContent = text;
}

// A pupil sees what is written, and writes it once.
if (again) {
  again.addEventListener('input', compare);
  field.addEventListener('input', compare);
}
