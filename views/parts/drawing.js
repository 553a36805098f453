// A drawing made by the page: its markup is safe by construction, and the host's own text blocks take no SVG.
export default function (component) {
  const { parentElement, data } = component;
  let box = parentElement.querySelector(".c360drawing");
  if (!box) {
    box = document.createElement("div");
    box.className = "c360drawing";
    parentElement.replaceChildren(box);
  }
  if (box.dataset.markup !== data.markup) {
    box.dataset.markup = data.markup;
    box.innerHTML = data.markup;
  }
}
