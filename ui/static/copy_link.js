// Copies the link to what is on show. Where the browser does not let us, the link is shown, selected, to be copied by hand.
const AWHILE = 2_500; // ms that it is said for

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button"), words = button.querySelector(".words");
  const field = parentElement.querySelector("input"), said = parentElement.querySelector(".said");
  const say = (text) => {
    words.textContent = text || "Copy link";
    said.textContent = text; // a change of a button's name is not read out
    clearTimeout(button.timer);
    if (text) button.timer = setTimeout(() => say(""), AWHILE);
  };
  const show = (link) => {
    field.hidden = false;
    field.value = link;
    field.focus({ preventScroll: true });
    field.select();
    said.textContent = "Copying is not allowed here; the link is selected.";
  };
  button.onclick = () => {
    const query = data.query === null ? location.search : data.query && `?${data.query}`;
    const link = `${location.origin}${location.pathname}${query}`;
    const copied = navigator.clipboard?.writeText(link) ?? Promise.reject();
    copied.then(() => say("Copied"), () => show(link));
  };
  field.onblur = () => {
    field.hidden = true;
    said.textContent = "";
  };
}
