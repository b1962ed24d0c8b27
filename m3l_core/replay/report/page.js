// Moves a cursor over the timeline of each run, and shows the frame next to it.
'use strict';
for (const run of document.querySelectorAll('details.run')) {
  const data = JSON.parse(run.querySelector('script[type="application/json"]').textContent);
  const timeline = run.querySelector('.timeline');
  const slider = run.querySelector('.viewer input');
  const image = run.querySelector('.viewer img');
  const text = run.querySelector('.viewer output');
  const cursor = run.querySelector('.cursor');
  if (!slider) continue;

  const nearest = (frames, time) => {
    let best = 0;
    for (let i = 1; i < frames.length; i += 1) {
      if (Math.abs(frames[i].t - time) < Math.abs(frames[best].t - time)) best = i;
    }
    return best;
  };
  const show = (index) => {
    const frame = data.frames[index];
    slider.value = index;
    cursor.style.left = `${(100 * frame.t) / data.end}%`;
    image.src = frame.source;
    image.alt = `RGB, depth, labels${frame.panels > 3 ? ' and truth' : ''}: ${frame.text}`;
    text.textContent = frame.text;
    slider.setAttribute('aria-valuetext', frame.text);
  };
  const pointed = (event) => {
    const box = timeline.getBoundingClientRect();
    return (data.end * (event.clientX - box.left)) / box.width;
  };
  timeline.addEventListener('pointermove', (event) => show(nearest(data.frames, pointed(event))));
  timeline.addEventListener('click', (event) => show(nearest(data.frames, pointed(event))));
  slider.addEventListener('input', () => show(Number(slider.value)));
  for (const button of run.querySelectorAll('button[data-time]')) {
    button.addEventListener('click', () => {
      show(nearest(data.frames, Number(button.dataset.time)));
      timeline.scrollIntoView({block: 'center'});
    });
  }
  show(Number(slider.value));
}

// A link to a run opens it.
const openTarget = () => {
  const target = document.querySelector(':target');
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener('hashchange', openTarget);
openTarget();
