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
