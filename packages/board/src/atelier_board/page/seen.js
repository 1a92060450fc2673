/** What is on the screen is drawn at once; the rest when it comes there, or when the page is printed. */

const due = new Map(), visible = new Set();

const watcher = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) visible.add(target);
    else visible.delete(target);
    if (isIntersecting) run(target);
  }
}, { rootMargin: "200px" });

function run(holder) {
  const draw = due.get(holder);
  due.delete(holder);
  if (draw) draw();
}

export function drawSeen(holder, draw) {
  due.set(holder, draw);
  if (visible.has(holder)) run(holder);
  else watcher.observe(holder);
}

/** The view is another. */
export function forget() {
  watcher.disconnect();
  visible.clear();
  due.clear();
}

addEventListener("beforeprint", () => [...due.keys()].forEach(run));
