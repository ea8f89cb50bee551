// Runs in the transcript (gr.HTML js_on_load), with `element`, `trigger` and `watch` in scope.
const opened = new Set(); // ids of opened sources: a new rendering of the transcript would close them

watch('value', () => {
  for (const source of element.querySelectorAll('details[id]')) source.open = opened.has(source.id);
});

function open(source) {
  opened.add(source.id);
  source.open = true;
  const summary = source.querySelector('summary');
  summary.focus({ preventScroll: true });
  source.scrollIntoView({ block: 'nearest' });
}

element.addEventListener('click', (event) => {
  const summary = event.target.closest('summary');
  if (summary) {
    const source = summary.parentElement;
    if (source.open) opened.delete(source.id);
    else opened.add(source.id);
    return;
  }
  const button = event.target.closest('button');
  if (button?.dataset.opens) open(document.getElementById(button.dataset.opens));
  else if (button?.dataset.event) trigger(button.dataset.event, { ...button.dataset });
});

// Keep the newest line in view while an answer grows, unless the visitor has scrolled up; and say in which
// language the page is.
const page = document.scrollingElement;
const container = element.closest('.gradio-container');
let pinned = true;
window.addEventListener('scroll', () => {
  pinned = page.scrollTop + window.innerHeight >= page.scrollHeight - 120;
}, { passive: true });
new MutationObserver(() => {
  if (pinned) page.scrollTop = page.scrollHeight;
  const brand = container.querySelector('.brand');
  if (brand) document.documentElement.lang = brand.lang;
}).observe(container, { childList: true, characterData: true, subtree: true });

// An Enter that ends the composition of a Chinese word must not send; Escape closes a form.
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopPropagation();
  else if (event.key === 'Escape') event.target.closest('#person, #why, #clear')?.querySelector('#close-person, #close-why, #keep').click();
}, true);
