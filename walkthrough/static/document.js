"use strict";
(() => {
  const steps = [...document.querySelectorAll(".step")];
  if (!steps.length) return;
  document.querySelector(".keys").hidden = false;
  const go = (by) => {
    const last = steps.reduce((found, step, i) => (step.getBoundingClientRect().top > 8 ? found : i), -1);
    const to = by > 0 ? last + 1 : steps[last] && steps[last].getBoundingClientRect().top < -8 ? last : last - 1;
    if (to >= steps.length) return false;
    to < 0 ? window.scrollTo(0, 0) : steps[to].scrollIntoView();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === "PageDown" || event.key === "PageUp") {
      if (go(event.key === "PageDown" ? 1 : -1)) event.preventDefault();
    } else if (event.key === "n" || event.key === "N") document.body.classList.toggle("without-notes");
  });
})();
