// The page that carries an answer to a site posts itself; its button is for browsers without scripts.
document.querySelector('form[data-send-on]')?.submit();
