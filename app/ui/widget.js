// The customers' chat in another page: <script src="https://chat.example/widget.js" async></script>
// data-label and data-language (en or zh) may be set on the tag. The chat answers only in pages whose origin is
// on its list (BELLWETHER_WIDGET_ORIGINS).
(() => {
  const script = document.currentScript;
  if (!script || window.bellwetherChat) return;
  window.bellwetherChat = true;
  const chinese = (script.dataset.language || document.documentElement.lang || navigator.language).startsWith('zh');
  const label = script.dataset.label || (chinese ? '在线客服' : 'Chat with us');
  const close = chinese ? '关闭对话' : 'Close chat';

  const host = document.createElement('div');
  const root = host.attachShadow({ mode: 'open' }); // neither page's styles reach the other
  const style = document.createElement('style');
  style.textContent = `
    :host { position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; }
    button { display: block; margin-left: auto; padding: 12px 20px; border: 1px solid #fff; border-radius: 24px;
      background: #1d4f91; color: #fff; font: 600 16px/1.3 system-ui, sans-serif; cursor: pointer; }
    button:hover { background: #163d70; }
    button:focus-visible { outline: 3px solid #1d4f91; outline-offset: 2px; }
    iframe { display: block; width: min(420px, calc(100vw - 32px)); height: min(640px, calc(100vh - 96px));
      margin-bottom: 8px; border: 1px solid #8a94a3; border-radius: 12px; background: #fff; }
    iframe[hidden] { display: none; }`;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.setAttribute('aria-expanded', 'false');
  let frame = null; // nothing is loaded before somebody wants to talk

  button.addEventListener('click', () => {
    if (!frame) {
      frame = document.createElement('iframe');
      frame.title = label;
      frame.hidden = true;
      frame.src = new URL('./', script.src).href;
      root.insertBefore(frame, button);
    }
    frame.hidden = !frame.hidden;
    button.textContent = frame.hidden ? label : close;
    button.setAttribute('aria-expanded', String(!frame.hidden));
    if (!frame.hidden) frame.focus();
  });
  host.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && frame && !frame.hidden) button.click();
  });
  root.append(style, button);
  const show = () => document.body.append(host);
  if (document.body) show();
  else document.addEventListener('DOMContentLoaded', show);
})();
