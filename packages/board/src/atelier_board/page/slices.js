/** The objective against each parameter, side by side. */

import { chart, clear } from "./charts.js";
import { againstParameter } from "./costs.js";
import { make } from "./elements.js";
import { drawSeen } from "./seen.js";

export function slicesView(grid) {
  const holders = new Map();
  return (told, shown) => {
    if (!told.spec.parameters.some(parameter => againstParameter(told, shown.rows, parameter))) {
      holders.clear();
      grid.replaceChildren(make("p", { class: "quiet" }, "No trial has both yet."));
      return;
    }
    const names = told.spec.parameters.map(({ name }) => name);
    if (names.some(name => !holders.has(name))) {
      holders.clear();
      for (const name of names) holders.set(name, make("div", { class: "holder" }));
      grid.replaceChildren(...names.map(name => make("figure", {}, make("figcaption", {}, make("code", {}, name)), holders.get(name))));
    }
    for (const parameter of told.spec.parameters) {
      const holder = holders.get(parameter.name);
      drawSeen(holder, () => {
        const described = againstParameter(told, shown.rows, parameter);
        if (described) chart(holder, { ...described, x: { ...described.x, name: "" }, height: 170 });
        else clear(holder, make("p", { class: "quiet" }, "No trial has both yet."));
      });
    }
  };
}
