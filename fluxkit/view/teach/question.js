// A question: answers to choose from, and the reply of the kernel.
function render({ model, el }) {
  const { root, stop } = frame(el, model);
  root.classList.add("fx-question");
  const set = make("fieldset", {}, root);
  const legend = make("legend", {}, set);
  const answers = make("div", { class: "fx-answers" }, set);
  const reply = make("p", { class: "fx-reply", "aria-live": "polite" }, set);
  const name = `fx-answers-${counted += 1}`;

  const build = () => {
    legend.textContent = model.get("text");
    answers.replaceChildren();
    model.get("options").forEach((text, i) => {
      const label = make("label", { class: "fx-answer" }, answers);
      const box = make("input", { type: "radio", name, value: i }, label);
      make("span", {}, label, text);
      box.addEventListener("change", () => { model.set("chosen", i); model.save_changes(); });
    });
    show();
  };
  const show = () => {
    const chosen = model.get("chosen"), said = model.get("reply");
    [...answers.querySelectorAll("input")].forEach((box, i) => { box.checked = i === chosen; });
    reply.textContent = said;
    reply.classList.toggle("fx-right", said.startsWith("Right"));
  };
  build();
  const rebuild = ["text", "options"];
  for (const each of rebuild) model.on(`change:${each}`, build);
  for (const each of ["chosen", "reply"]) model.on(`change:${each}`, show);
  return () => {
    stop();
    for (const each of rebuild) model.off(`change:${each}`, build);
    for (const each of ["chosen", "reply"]) model.off(`change:${each}`, show);
  };
}

export default { render };
