// When a page opens with something that must be read first (an error summary, a refusal), the focus goes there.
document.querySelector('[data-focus]')?.focus({ preventScroll: false });
